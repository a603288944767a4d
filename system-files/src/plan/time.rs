//! Time servers, and the earliest time that the clock may show.

use genpack_spec::settings::Time;

use super::{Entry, file};

/// Returns the earliest time that the clock may show, in seconds since 1970: the later one of the image's own and the
/// settings'.
pub fn clock_floor(image_epoch: u64, time: &Time) -> u64 {
    image_epoch.max(time.clock.unwrap_or(0))
}

pub(super) fn entries(time: &Time) -> Vec<Entry> {
    let servers: Vec<_> = time.ntp.iter().flatten().map(ToString::to_string).collect();
    if servers.is_empty() {
        return Vec::new();
    }
    // timesyncd.conf(5)
    let content = format!("[Time]\nNTP={}\n", servers.join(" "));
    vec![file(
        "/run/systemd/timesyncd.conf.d/50-genpack.conf",
        0o644,
        content,
    )]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_floor() {
        let time: Time =
            serde_json::from_str(r#"{"ntp": ["ntp.example.org", "2001:db8::1"], "clock": 2000}"#).unwrap();
        assert_eq!(
            entries(&time)[0],
            file(
                "/run/systemd/timesyncd.conf.d/50-genpack.conf",
                0o644,
                "[Time]\nNTP=ntp.example.org 2001:db8::1\n"
            )
        );
        assert!(entries(&Time::default()).is_empty());
        assert_eq!((clock_floor(1000, &time), clock_floor(3000, &time)), (2000, 3000));
        assert_eq!(clock_floor(1000, &Time::default()), 1000);
    }
}
