//! Messages for the journal: one line each on standard error, with the priority in front that journald reads
//! (sd-daemon(3)).

use log::{Level, LevelFilter, Log, Metadata, Record};

struct Journal;

impl Log for Journal {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries report every retry at `info`: for ever, where no DHCP server is.
        metadata.level() <= Level::Warn || metadata.target().starts_with("genpack")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let priority = match record.level() {
                Level::Error => 3,
                Level::Warn => 4,
                Level::Info => 6,
                Level::Debug | Level::Trace => 7,
            };
            eprintln!("<{priority}>{}", record.args());
        }
    }

    fn flush(&self) {}
}

/// Sends every message from now on to the journal.
pub fn init() {
    // Fails only when a logger is set already: then messages go there.
    let _ = log::set_logger(&Journal);
    log::set_max_level(LevelFilter::Info);
}
