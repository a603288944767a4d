//! Messages to the kernel log, and a stopwatch over the steps of the boot.

use std::fs::OpenOptions;
use std::io::Write;
use std::time::Instant;

use genpack_spec::report::{Notice, Severity, Timing};
use genpack_spec::text::Text;

/// The log of one boot: every step with its duration, and what a person should know.
#[derive(Debug)]
pub struct Log {
    start: Instant,
    /// Duration of each finished step.
    pub timings: Vec<Timing>,
    /// What had to be worked around.
    pub notices: Vec<Notice>,
}

impl Log {
    /// Starts the clock.
    pub fn start() -> Log {
        Log {
            start: Instant::now(),
            timings: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// Runs a step and logs how long it took.
    pub fn step<T>(&mut self, step: &str, work: impl FnOnce(&mut Log) -> T) -> T {
        let begun = Instant::now();
        let outcome = work(self);
        let millis = begun.elapsed().as_millis() as u64;
        info(&format!("{step}: {millis} ms"));
        self.timings.push(Timing {
            step: step.to_string(),
            millis,
        });
        outcome
    }

    /// Remembers something for the person, as a whole sentence, and logs it.
    pub fn notice(&mut self, severity: Severity, text: Text) {
        match severity {
            Severity::Note => info(&text.english()),
            _ => warn(&text.english()),
        }
        self.notices.push(Notice { severity, text });
    }

    /// Milliseconds since the start.
    pub fn elapsed(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }
}

/// Logs a message that only someone who looks for it sees.
pub fn info(text: &str) {
    kmsg(6, text);
}

/// Logs a message that the console shows.
pub fn warn(text: &str) {
    kmsg(4, text);
}

/// Writes one record; the kernel adds its clock (kernel: `Documentation/ABI/testing/dev-kmsg`).
fn kmsg(level: u8, text: &str) {
    let record = format!("<{level}>genpack-init: {}\n", text.replace('\n', " "));
    // Nobody can be told when the kernel's log itself can't be written.
    let _ = OpenOptions::new()
        .write(true)
        .open("/dev/kmsg")
        .and_then(|mut log| log.write_all(record.as_bytes()));
}
