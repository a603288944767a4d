//! When to write to the card: soon after a change, but a port whose cable has a bad contact must not wear it out.

use std::time::Duration;

use tokio::time::Instant;

/// Changes within this time go into one write.
pub const SHORTEST_GAP: Duration = Duration::from_secs(5);
const LONGEST_GAP: Duration = Duration::from_secs(600);

/// Spaces writes: each write close to the one before it doubles the time until the next may come.
#[derive(Debug)]
pub struct Schedule {
    gap: Duration,
    last_write: Option<Instant>,
    due: Option<Instant>,
}

impl Schedule {
    /// Returns a schedule with nothing due.
    pub fn new() -> Schedule {
        Schedule {
            gap: SHORTEST_GAP,
            last_write: None,
            due: None,
        }
    }

    /// Notes that there is something to write. Further changes don't put the write off.
    pub fn changed(&mut self, now: Instant) {
        let earliest = self.last_write.map_or(now, |last| last + self.gap);
        self.due.get_or_insert(earliest.max(now + SHORTEST_GAP));
    }

    /// Notes that what was changed is as before: nothing to write.
    pub fn settled(&mut self) {
        self.due = None;
    }

    /// Returns when to write, if there is something to write.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Notes a write.
    pub fn written(&mut self, now: Instant) {
        self.gap = match self.last_write {
            // Twice the gap, so that a port that flaps all the time is not taken for a quiet one.
            Some(last) if now < last + LONGEST_GAP * 2 => (self.gap * 2).min(LONGEST_GAP),
            _ => SHORTEST_GAP,
        };
        self.last_write = Some(now);
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_join_and_frequent_writes_become_rare() {
        let start = Instant::now();
        let mut schedule = Schedule::new();
        assert_eq!(schedule.due(), None);
        schedule.changed(start);
        schedule.changed(start + Duration::from_secs(3));
        assert_eq!(schedule.due(), Some(start + SHORTEST_GAP));

        // A port that flaps for an hour.
        let mut now = start;
        let mut writes = 0;
        while now < start + Duration::from_secs(3600) {
            schedule.changed(now);
            now = schedule.due().unwrap();
            schedule.written(now);
            writes += 1;
        }
        assert!(writes < 20, "{writes} writes");

        // After a quiet time a change is written soon again.
        now += LONGEST_GAP * 2;
        schedule.changed(now);
        assert_eq!(schedule.due(), Some(now + SHORTEST_GAP));
        schedule.written(now + SHORTEST_GAP);
        schedule.changed(now + SHORTEST_GAP);
        assert_eq!(schedule.due(), Some(now + SHORTEST_GAP * 2));
    }
}
