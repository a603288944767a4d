//! What a radio's states come to for a person. Pure.

/// wpa_supplicant's words for what a radio is doing (`wpa_supplicant_state_txt`).
const SHAKING_HANDS: [&str; 2] = ["4way_handshake", "group_handshake"];
const BEFORE_HANDS: [&str; 3] = ["authenticating", "associating", "associated"];
const CONNECTED: &str = "completed";

/// Failed attempts in a row after which the password is taken for wrong: a single one is often the radio's fault.
const ATTEMPTS: u32 = 2;

/// Follows the states of one radio.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Progress {
    state: String,
    connected: bool,
    failures: u32,
}

/// How a radio is getting on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is looking, or trying.
    Trying,
    /// It is connected.
    Connected,
    /// The other side lets it in no further than to the door.
    Refused,
}

impl Progress {
    /// Notes a state and returns how it is getting on.
    pub fn state(&mut self, state: &str) -> Verdict {
        let ends = state == "disconnected" || state == "scanning" || state == "inactive";
        let tried =
            SHAKING_HANDS.contains(&self.state.as_str()) || BEFORE_HANDS.contains(&self.state.as_str());
        // Keys are renewed now and then while the connection holds.
        let renews = self.connected && SHAKING_HANDS.contains(&state);
        self.connected = state == CONNECTED || renews;
        if self.connected {
            self.failures = 0;
        } else if tried && ends {
            self.failures = self.failures.saturating_add(1);
        }
        self.state = state.to_string();
        self.verdict()
    }

    /// Returns how it is getting on.
    pub fn verdict(&self) -> Verdict {
        match () {
            () if self.connected => Verdict::Connected,
            () if self.failures >= ATTEMPTS => Verdict::Refused,
            () => Verdict::Trying,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(states: &[&str]) -> Verdict {
        let mut progress = Progress::default();
        for state in states {
            progress.state(state);
        }
        progress.verdict()
    }

    #[test]
    fn a_refusal_shows_after_it_came_twice() {
        let attempt = [
            "scanning",
            "associating",
            "associated",
            "4way_handshake",
            "disconnected",
        ];
        assert_eq!(after(&attempt), Verdict::Trying);
        assert_eq!(after(&[attempt, attempt].concat()), Verdict::Refused);
        assert_eq!(
            after(&[&attempt[..], &attempt[..], &["scanning", "associating"]].concat()),
            Verdict::Refused
        );
        assert_eq!(
            after(&[&attempt[..], &attempt[..], &["completed", "disconnected"]].concat()),
            Verdict::Trying
        );
    }

    #[test]
    fn looking_around_is_no_refusal() {
        assert_eq!(
            after(&["scanning", "disconnected", "scanning", "inactive", "scanning"]),
            Verdict::Trying
        );
        assert_eq!(
            after(&["4way_handshake", "group_handshake", "completed"]),
            Verdict::Connected
        );
        assert_eq!(
            after(&["completed", "4way_handshake", "group_handshake"]),
            Verdict::Connected
        );
        assert_eq!(
            after(&["completed", "associated", "4way_handshake"]),
            Verdict::Trying
        );
    }
}
