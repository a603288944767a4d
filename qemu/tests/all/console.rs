//! The interactive console, on a pseudo-terminal.

use crate::common::{Guest, POWER_OFF, SOON};
use genpack_qemu::{Ended, Vm};
use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::signal::{Signal, raise};
use nix::sys::termios::{LocalFlags, Termios, tcgetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::thread;

/// A person at a terminal: types on one side of a pseudo-terminal, and reads what is printed.
struct Person {
    keyboard: File,
    terminal: OwnedFd,
    screen: UnixStream,
    seen: String,
}

impl Person {
    /// The second value is what the console prints to.
    fn new() -> (Person, UnixStream) {
        // Both sides are closed on exec, or a QEMU that another test starts would keep them open.
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let mut open = File::options();
        open.read(true).write(true).custom_flags(OFlag::O_NOCTTY.bits());
        let slave = open.open(ptsname_r(&master).unwrap()).unwrap();
        let (screen, output) = UnixStream::pair().unwrap();
        screen.set_read_timeout(Some(SOON)).unwrap();
        (
            Person {
                keyboard: File::from(OwnedFd::from(master)),
                terminal: slave.into(),
                screen,
                seen: String::new(),
            },
            output,
        )
    }

    fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).unwrap();
    }

    fn sees(&mut self, text: &str) {
        let mut piece = [0; 1024];
        while !self.seen.contains(text) {
            let count = self.screen.read(&mut piece).unwrap();
            assert!(
                count > 0,
                "the console ended before {text:?}; seen: {:?}",
                self.seen
            );
            self.seen.push_str(&String::from_utf8_lossy(&piece[..count]));
        }
        let end = self.seen.find(text).unwrap() + text.len();
        self.seen.drain(..end);
    }

    fn settings(&self) -> Termios {
        tcgetattr(&self.terminal).unwrap()
    }
}

/// Runs the console while `act` plays the person; how it ended, and that the terminal is as before.
fn session(vm: &Vm, act: impl FnOnce(&mut Person)) -> Ended {
    let (mut person, output) = Person::new();
    let before = person.settings();
    assert!(before.local_flags.contains(LocalFlags::ICANON | LocalFlags::ISIG));
    let terminal = person.terminal.try_clone().unwrap();
    let ended = thread::scope(|scope| {
        let console = scope.spawn(|| vm.attach(terminal.as_fd(), output));
        act(&mut person);
        console.join().unwrap().unwrap()
    });
    assert!(person.settings() == before, "the terminal is not as it was");
    ended
}

#[test]
fn the_user_types_leaves_and_comes_back() {
    let guest = Guest::new();
    let vm = guest.machine("console").start().unwrap();
    let ended = session(&vm, |person| {
        person.sees("\x1b[1mguest\x1b[0m is up\r\n");
        person.sees("> ");
        assert!(!person.settings().local_flags.contains(LocalFlags::ICANON));
        // Ctrl-C belongs to the guest.
        person.types("typed\x03");
        person.sees("typed\x03");
        person.types("last\x1dlost");
    });
    assert_eq!(ended, Ended::UserLeft);
    vm.expect("last", SOON).unwrap();
    assert!(!vm.serial_log().contains("lost"));
    // What was there before is shown again.
    let ended = session(&vm, |person| {
        person.sees("last");
        person.types(POWER_OFF);
    });
    let Ended::PoweredOff(status) = ended else {
        panic!("{ended:?}")
    };
    assert!(status.success());
}

#[test]
fn a_signal_ends_the_machine() {
    let guest = Guest::new();
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let vm = guest.machine("signal").start().unwrap();
        let ended = session(&vm, |person| {
            // Printing begins after the handlers are in place.
            person.sees("guest");
            raise(signal).unwrap();
        });
        assert_eq!(ended, Ended::Signal(signal));
        assert_eq!(vm.pid(), None);
    }
}

#[test]
fn a_vanished_terminal_is_left() {
    let guest = Guest::new();
    let vm = guest.machine("vanish").start().unwrap();
    let (person, output) = Person::new();
    let Person {
        keyboard,
        terminal,
        mut screen,
        ..
    } = person;
    thread::scope(|scope| {
        let console = scope.spawn(|| vm.attach(terminal.as_fd(), output));
        assert!(screen.read(&mut [0; 64]).unwrap() > 0);
        drop(keyboard);
        assert_eq!(console.join().unwrap().unwrap(), Ended::UserLeft);
    });
    assert!(vm.pid().is_some());
}

#[test]
fn without_a_terminal_output_is_printed_until_the_end() {
    let guest = Guest::new();
    let vm = guest.machine("pipe").start().unwrap();
    let (_nobody, input) = UnixStream::pair().unwrap();
    let mut printed = Vec::new();
    let ended = thread::scope(|scope| {
        let console = scope.spawn(|| vm.attach(input.as_fd(), &mut printed));
        vm.expect("> ", SOON).unwrap();
        vm.send(POWER_OFF).unwrap();
        console.join().unwrap().unwrap()
    });
    assert!(matches!(ended, Ended::PoweredOff(_)));
    assert!(String::from_utf8_lossy(&printed).ends_with("address 10.0.2.15\r\n> "));
}
