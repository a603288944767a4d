//! Sticks, as computers of people format them and write on them.

use std::path::PathBuf;
use std::process::Command;

use genpack_qemu::{Card, Disk, Format, RemovableDisk, check_fat};
use genpack_spec::layout::RESULT_TXT;
use genpack_spec::layout::card::SYSTEM_INI;
use tempfile::TempDir;

/// Room for a FAT32 file system.
const SIZE: u64 = 64 << 20;
/// Where partitions begin, in sectors of 512 bytes.
const PARTITION_START: u64 = 2048;

/// How a stick is divided.
#[derive(Debug, Clone, Copy)]
pub enum Division {
    /// One FAT file system over all of it.
    None,
    /// A table with one partition.
    Partition,
    /// As `None`, with a table in the same sector that says that one partition is all of it. `mkfs.fat` makes sticks so.
    Both,
}

/// A stick that is in no device.
pub struct Stick {
    folder: TempDir,
}

impl Stick {
    /// Returns one that nobody has formatted.
    pub fn blank() -> Stick {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let stick = Stick { folder };
        let image = std::fs::File::create(stick.image()).expect("an image can be made");
        image.set_len(SIZE).expect("an image can be as large");
        stick
    }

    /// Returns one without files.
    pub fn new(division: Division) -> Stick {
        let stick = Stick::blank();
        if let Division::Partition = division {
            stick.run(
                "sh",
                &[
                    "-c",
                    &format!("echo {PARTITION_START},,c | sfdisk --quiet \"$0\""),
                ],
                &[],
            );
        }
        let offset = format!("--offset={PARTITION_START}");
        let blocks = ((SIZE - PARTITION_START * 512) / 1024).to_string();
        let (arguments, size): (&[&str], &[&str]) = match division {
            Division::None => (&["--mbr=n"], &[]),
            Division::Partition => (&["--mbr=n", &offset], &[&blocks]),
            Division::Both => (&["--mbr=y"], &[]),
        };
        stick.run(
            "mkfs.fat",
            &[&["-F", "32", "-n", "STICK"], arguments].concat(),
            size,
        );
        stick
    }

    /// Returns one with this `system.ini`.
    pub fn with(division: Division, settings: impl AsRef<[u8]>) -> Stick {
        let stick = Stick::new(division);
        stick.write(SYSTEM_INI, settings.as_ref());
        stick
    }

    /// Writes a file.
    pub fn write(&self, path: &str, bytes: &[u8]) {
        let files = self.open();
        files.write(path, bytes).expect("a file can be written");
        files.close().expect("the stick can be ejected");
    }

    /// Returns it as a disk to plug in.
    pub fn disk(&self) -> RemovableDisk {
        RemovableDisk::new(Disk::new(self.image(), Format::Raw))
    }

    /// Returns every byte of it.
    pub fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.image()).expect("the image can be read")
    }

    /// Returns the device's answer, its lines joined, after looking at the rest: the file system is without fault and was let go
    /// of, lines end as in Windows, and there is no other new file. None when there is no answer.
    pub fn result(&self) -> Option<String> {
        check_fat(self.image()).expect("the stick's file system is without fault");
        let files = self.open();
        assert!(!files.is_dirty().expect("the stick can be read"));
        let entries = files.list("").expect("the stick can be read");
        let known = [SYSTEM_INI, RESULT_TXT];
        let news: Vec<_> = entries
            .iter()
            .filter(|entry| !known.contains(&&*entry.name))
            .collect();
        assert!(news.is_empty(), "{news:?}");
        entries.iter().find(|entry| entry.name == RESULT_TXT)?;
        let text = files.read(RESULT_TXT).expect("the answer can be read");
        let text = String::from_utf8(text).expect("the answer is UTF-8");
        assert!(!text.replace("\r\n", "").contains(['\r', '\n']), "{text:?}");
        Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("stick.img")
    }

    fn open(&self) -> Card {
        Card::open(self.image()).expect("the stick can be read")
    }

    /// Runs a program on the image; what stands behind its name comes last.
    fn run(&self, program: &str, arguments: &[&str], last: &[&str]) {
        let output = Command::new(program)
            .args(arguments)
            .arg(self.image())
            .args(last)
            .output()
            .expect("the program can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {said}");
    }
}
