//! When a boot can't go on: say so in plain words on every screen, on every serial line and on the card; restart.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use genpack_card::{Card, read_settings};
use genpack_spec::layout;
use genpack_spec::settings::Settings;
use genpack_spec::status::{self, BootFailure};
use genpack_spec::text;
use genpack_spec::text::{Language, Text};
use genpack_spec::types::{Hostname, Locale};
use nix::sys::reboot::{RebootMode, reboot};

use crate::settings::Reader;
use crate::{log, mounts, shutdown, system};

/// How long the explanation stays before the device tries again.
const COUNTDOWN_SECONDS: u32 = 60;

/// Turns an error into a [`BootFailure`] that tells what was being done.
pub fn during(doing: Text) -> impl Fn(anyhow::Error) -> BootFailure {
    move |error| {
        BootFailure::Other(text!(
            "{doing} failed: {reason}",
            doing = doing.clone(),
            reason = format!("{error:#}")
        ))
    }
}

/// Returns the language for a device with these settings and this image.
pub fn language(settings: &Settings, image: Language) -> Language {
    Language::choose(settings.system.locale.as_ref().map(Locale::as_str), image)
}

/// Returns the language as far as the card can be read. Whatever has stopped the boot may be what stops this, too.
fn language_of_card() -> Language {
    let read = || {
        let hostname = Hostname::default_for("", None);
        let reader = Reader::new(Path::new(layout::SYSTEM_MOUNT), hostname);
        let found = read_settings(Path::new(layout::BOOT_MOUNT));
        let image = system::image_info().map(|image| image.language);
        language(&reader.parse(&found.bytes).settings, image.unwrap_or_default())
    };
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_default()
}

/// Explains, with what was tried as whole sentences, counts down, and restarts the machine.
pub fn explain_and_restart(failure: &BootFailure, tried: &[Text]) -> ! {
    log::warn(&format!("the boot can't go on: {failure:?}"));
    // Kernel messages would run through the explanation.
    let _ = fs::write("/proc/sys/kernel/printk", "1");
    let consoles = consoles();
    let language = language_of_card();
    write_to_card(&status::boot_failure_txt(failure, tried, language));
    let text = status::boot_failure_on_console(failure, tried, language);
    show(&consoles, &format!("\x1b[2J\x1b[H\n{text}\n"));
    for left in (1..=COUNTDOWN_SECONDS).rev() {
        let text = status::countdown_on_console(left, language);
        show(&consoles, &format!("\r{text} \x1b[K"));
        std::thread::sleep(Duration::from_secs(1));
    }
    show(&consoles, "\n");
    restart()
}

fn restart() -> ! {
    shutdown::unmount_all();
    nix::unistd::sync();
    loop {
        let Err(error) = reboot(RebootMode::RB_AUTOBOOT);
        log::warn(&format!("the machine can't be restarted: {error}"));
        std::thread::sleep(Duration::from_secs(60));
    }
}

fn write_to_card(text: &str) {
    if !mounts::is_mounted(Path::new(layout::BOOT_MOUNT)) {
        return;
    }
    if let Err(error) = Card::at(layout::BOOT_MOUNT).write(layout::card::STATUS_TXT, text.as_bytes()) {
        log::warn(&format!("{error:#}"));
    }
}

/// Returns the device nodes of every console that the kernel uses, and the foreground screen.
fn consoles() -> Vec<String> {
    let active = fs::read_to_string("/sys/class/tty/console/active").unwrap_or_default();
    let mut names: Vec<_> = active
        .split_whitespace()
        .map(|name| format!("/dev/{name}"))
        .collect();
    if !names.iter().any(|name| name == "/dev/tty0") {
        names.push("/dev/tty0".into());
    }
    names
}

fn show(consoles: &[String], text: &str) {
    let text = text.replace('\n', "\r\n");
    for console in consoles {
        // A console without hardware behind it can't be opened; the others still show the text.
        let _ = OpenOptions::new()
            .write(true)
            .open(console)
            .and_then(|mut tty| tty.write_all(text.as_bytes()));
    }
}
