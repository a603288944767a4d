//! Clocks.

use genpack_spec::status;
use genpack_spec::types::TimeZone;
use nix::time::{ClockId, clock_gettime};

/// Returns the seconds since the machine was started, sleep included; what leases are counted in.
pub fn uptime() -> u64 {
    // CLOCK_BOOTTIME exists since Linux 2.6.39 and can't fail; zero would only make leases look fresh.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |time| time.tv_sec().max(0) as u64)
}

/// Returns the time as it shall stand in `STATUS.txt`; none when the clock can't be right, because it has only
/// counted on from the image's own time, where PID 1 puts a clock that was behind it.
pub fn now(image_epoch: u64, zone: &TimeZone) -> Option<String> {
    let now = clock_gettime(ClockId::CLOCK_REALTIME).ok()?.tv_sec().max(0) as u64;
    let counted_on = now <= image_epoch.saturating_add(uptime() + 60);
    (!counted_on).then(|| local(now, zone).unwrap_or_else(|| utc(now)))
}

/// Whether the kernel's clock follows another one (adjtimex(2)), whichever program sees to it.
#[allow(unsafe_code)]
pub fn is_synchronised() -> bool {
    let mut state = std::mem::MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: `timex` is plain numbers, for which zeros are valid; with `modes` zero the call only writes to `state`.
    let status = unsafe {
        if libc::adjtimex(state.as_mut_ptr()) < 0 {
            return false;
        }
        state.assume_init().status
    };
    status & libc::STA_UNSYNC == 0
}

/// Writes seconds since 1970 as `2026-01-31 14:05 (Asia/Tokyo)`; none when the zone is UTC or can't be read.
fn local(seconds: u64, zone: &TimeZone) -> Option<String> {
    if *zone == TimeZone::utc() {
        return None;
    }
    let rules = jiff::tz::TimeZone::get(zone.as_str()).ok()?;
    let time = jiff::Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
    let time = time.to_zoned(rules);
    Some(format!("{} ({zone})", time.strftime("%Y-%m-%d %H:%M")))
}

/// Writes seconds since 1970 as `2026-01-31 14:05 UTC`.
fn utc(seconds: u64) -> String {
    let (minute, hour) = (seconds / 60 % 60, seconds / 3600 % 24);
    format!("{} {hour:02}:{minute:02} UTC", status::date(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_date_1() {
        for seconds in [
            0,
            951_782_399,
            951_782_400,
            1_709_164_800,
            1_767_225_599,
            4_102_444_800,
        ] {
            let output = std::process::Command::new("date")
                .args(["-u", "-d", &format!("@{seconds}"), "+%Y-%m-%d %H:%M UTC"])
                .output()
                .unwrap();
            assert_eq!(utc(seconds), String::from_utf8_lossy(&output.stdout).trim());
        }
    }

    #[test]
    fn local_times_are_those_of_date_1() {
        for (seconds, zone) in [
            (1_795_996_799, "Asia/Tokyo"),
            (1_795_996_799, "Europe/Berlin"),
            (1_782_000_000, "Europe/Berlin"),
        ] {
            let output = std::process::Command::new("date")
                .env("TZ", zone)
                .args(["-d", &format!("@{seconds}"), "+%Y-%m-%d %H:%M"])
                .output()
                .unwrap();
            let want = String::from_utf8_lossy(&output.stdout).trim().to_string();
            let zone: TimeZone = zone.parse().unwrap();
            assert_eq!(local(seconds, &zone), Some(format!("{want} ({zone})")));
        }
        assert_eq!(local(0, &TimeZone::utc()), None);
        assert_eq!(local(0, &"Nowhere/Else".parse().unwrap()), None);
    }

    #[test]
    fn a_clock_that_only_counted_on_is_not_believed() {
        let now = clock_gettime(ClockId::CLOCK_REALTIME).unwrap().tv_sec() as u64;
        assert_eq!(super::now(now, &TimeZone::utc()), None);
        assert!(super::now(0, &TimeZone::utc()).is_some_and(|time| time.ends_with(" UTC")));
    }
}
