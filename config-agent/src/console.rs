//! What a person at the screen sees: the text above the login prompt, and a line in the kernel's log.

use std::fs::File;
use std::io::{self, Write};
use std::time::SystemTime;

use crate::{Paths, files};

/// Makes sure that the file is there which getty watches, because getty watches only what it finds when it starts.
pub fn prepare(paths: &Paths) {
    if let Err(error) = touch(paths) {
        log::warn!("Consoles will not redraw: {error}");
    }
}

/// Shows a text above the login prompt of every waiting getty.
pub fn show_issue(paths: &Paths, text: &str) {
    let shown = files::write_atomic(&paths.issue(), text).and_then(|()| touch(paths));
    if let Err(error) = shown {
        log::warn!("The text above the login prompt can't be shown: {error}");
    }
}

fn touch(paths: &Paths) -> io::Result<()> {
    let path = paths.agetty_reload();
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    File::options()
        .create(true)
        .append(true)
        .open(path)?
        .set_modified(SystemTime::now())
}

/// Says on the consoles, through the kernel's log, that `STATUS.txt` is written. The words are a contract: boot tests wait
/// for them on the serial console.
pub fn say_written(paths: &Paths, problems: usize) {
    let verdict = match problems {
        0 => "well".to_string(),
        1 => "1 problem".to_string(),
        n => format!("{n} problems"),
    };
    // Priority 4 (warning) is shown on a console that is not asked to be quiet (kernel: printk's console_loglevel).
    let line = format!("<4>genpack-config-agent: status written: {verdict}\n");
    let said = File::options()
        .append(true)
        .open(paths.kmsg())
        .and_then(|mut kmsg| kmsg.write_all(line.as_bytes()));
    if let Err(error) = said {
        log::warn!("The kernel's log can't be written: {error}");
    }
}
