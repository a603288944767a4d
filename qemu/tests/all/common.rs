//! A guest of 57 bytes for testing what is around it.

use genpack_qemu::{Disk, Format, Machine};
use std::fs;
use std::time::Duration;
use tempfile::TempDir;

/// What the guest writes to its serial port when it starts.
pub const HELLO: &str = "\x1b[1mguest\x1b[0m is up\r\naddress 10.0.2.15\r\n> ";

/// Typed to the guest: powers off, restarts. All else it echoes.
pub const POWER_OFF: &str = "!";
pub const RESTART: &str = "^";

/// Long enough for a loaded host, so that a failure is one.
pub const SOON: Duration = Duration::from_secs(30);

/// A boot sector for real mode, loaded at 0x7c00; HELLO follows it.
const CODE: [u8; 57] = [
    0xfa, 0x31, 0xc0, 0x8e, 0xd8, // cli; xor ax,ax; mov ds,ax
    0xbe, 0x39, 0x7c, // mov si,0x7c39 (HELLO)
    0xac, 0x84, 0xc0, 0x74, 0x06, // next: lodsb; test al,al; jz echo
    0xba, 0xf8, 0x03, 0xee, 0xeb, 0xf5, // mov dx,0x3f8 (COM1); out dx,al; jmp next
    0xba, 0xfd, 0x03, 0xec, 0xa8, 0x01, 0x74,
    0xf8, // echo: mov dx,0x3fd (its status); in al,dx; test al,1; jz echo
    0xba, 0xf8, 0x03, 0xec, // mov dx,0x3f8; in al,dx
    0x3c, b'!', 0x74, 0x07, // cmp al,'!'; je off
    0x3c, b'^', 0x74, 0x0c, // cmp al,'^'; je reset
    0xee, 0xeb, 0xe9, // out dx,al; jmp echo
    0xba, 0x04, 0x06, 0xb8, 0x00, 0x20, 0xef, 0xeb,
    0xe0, // off: mov dx,0x604 (ACPI PM1a); mov ax,0x2000; out dx,ax; jmp echo
    0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xda, // reset: mov al,0xfe; out 0x64,al; jmp echo
];

/// A disk image with the guest on it.
pub struct Guest {
    folder: TempDir,
}

impl Guest {
    pub fn new() -> Guest {
        let guest = Guest {
            folder: tempfile::tempdir().unwrap(),
        };
        let mut sector = CODE.to_vec();
        sector.extend(HELLO.as_bytes());
        sector.resize(510, 0);
        sector.extend([0x55, 0xaa]);
        sector.resize(1 << 20, 0);
        fs::write(guest.disk_path(), sector).unwrap();
        guest
    }

    pub fn disk_path(&self) -> std::path::PathBuf {
        self.folder.path().join("guest.img")
    }

    /// A small machine that starts the guest and does not outlive a hanging test.
    pub fn machine(&self, name: &str) -> Machine {
        let disk = Disk::new(self.disk_path(), Format::Raw);
        Machine::new(name).memory_mib(64).disk(disk).deadline(2 * SOON)
    }
}
