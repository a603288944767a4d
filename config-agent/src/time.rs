//! Clocks.

use genpack_spec::status;
use nix::time::{ClockId, clock_gettime};

/// Returns the seconds since the machine was started, sleep included; what leases are counted in.
pub fn uptime() -> u64 {
    // CLOCK_BOOTTIME exists since Linux 2.6.39 and can't fail; zero would only make leases look fresh.
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(0, |time| time.tv_sec().max(0) as u64)
}

/// Returns the time as it shall stand in `STATUS.txt`; none when the clock can't be right, because it has only
/// counted on from the image's own time, where PID 1 puts a clock that was behind it.
pub fn written_at(image_epoch: u64) -> Option<String> {
    let now = clock_gettime(ClockId::CLOCK_REALTIME).ok()?.tv_sec().max(0) as u64;
    let counted_on = now <= image_epoch.saturating_add(uptime() + 60);
    (!counted_on).then(|| utc(now))
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
    fn a_clock_that_only_counted_on_is_not_believed() {
        let now = clock_gettime(ClockId::CLOCK_REALTIME).unwrap().tv_sec() as u64;
        assert_eq!(written_at(now), None);
        assert!(written_at(0).is_some());
    }
}
