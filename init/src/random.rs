//! Random numbers of the kernel, also on a machine whose processor makes none.
//!
//! There the kernel collects them from the jitter of its clock, but only while somebody waits in getrandom(2) (kernel:
//! `drivers/char/random.c`, `try_to_generate_entropy`); whoever waits by poll(2) on `/dev/random` waits for ever on an idle
//! machine. So this speaks to getrandom(2) itself, and begins when the boot begins.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::rand::{GetRandomFlags, getrandom};

use crate::log;

/// How long to wait for numbers that nobody can guess. The jitter of a clock gives them within a second or two.
const PATIENCE: Duration = Duration::from_secs(60);

/// Has the kernel collect randomness from now on, for everybody, while the boot goes on.
pub fn collect() {
    let begun = thread::Builder::new().spawn(|| getrandom(&mut [0], GetRandomFlags::empty()));
    if let Err(error) = begun {
        log::warn(&format!("randomness is not collected: {error}"));
    }
}

/// Fills `buffer` with random bytes. When the kernel has not enough of them after a minute, with the best that it has: a
/// device that starts with a weak key is of more use than one that never starts.
pub fn fill(buffer: &mut [u8]) {
    wait(PATIENCE);
    let flags = [GetRandomFlags::NONBLOCK, GetRandomFlags::INSECURE];
    let mut filled = 0;
    for flag in flags {
        while filled < buffer.len() {
            match getrandom(&mut buffer[filled..], flag) {
                Ok(count) => filled += count,
                Err(Errno::INTR) => {}
                Err(_) => break,
            }
        }
        if filled == buffer.len() {
            return;
        }
        log::warn("the kernel has not collected enough randomness");
    }
}

/// Waits until the kernel has enough, but no longer than `patience`.
fn wait(patience: Duration) {
    let (sender, receiver) = mpsc::channel();
    let waiting = thread::Builder::new().spawn(move || {
        while getrandom(&mut [0], GetRandomFlags::empty()) == Err(Errno::INTR) {}
        // Nobody listens any more when patience has run out.
        let _ = sender.send(());
    });
    if waiting.is_ok() {
        let _ = receiver.recv_timeout(patience);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_is_filled() {
        collect();
        let (mut one, mut other) = ([0; 4096], [0; 4096]);
        fill(&mut one);
        fill(&mut other);
        assert_ne!(one, other);
        // A run of 16 zeros happens once in 2^116 times.
        assert!(one.windows(16).all(|window| window != [0; 16]));
    }
}
