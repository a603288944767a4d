//! The FAT partition of images that other people's tools made, checked with other people's tools.

use crate::common::{Guest, SOON};
use genpack_qemu::{Card, Disk, Error, Machine, Overlay, check_fat};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;
use tempfile::TempDir;

/// Where the partition begins.
const START: u64 = 1 << 20;

fn tool(program: &str, args: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(args)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// A disk with one FAT32 partition, `label` being the kind of its partition table.
struct Image {
    folder: TempDir,
}

impl Image {
    fn new(label: &str) -> Image {
        let image = Image {
            folder: tempfile::tempdir().unwrap(),
        };
        let path = image.path();
        File::create(&path).unwrap().set_len(128 << 20).unwrap();
        let path = path.to_str().unwrap();
        let table = format!("label: {label}\nstart=2048, size=200000\n");
        tool(
            "sfdisk",
            &["--quiet", "--no-reread", "--no-tell-kernel", path],
            &table,
        );
        tool(
            "mkfs.fat",
            &["-F", "32", "-n", "CARD", "--offset", "2048", path, "100000"],
            "",
        );
        image
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("card, of a person.img")
    }
}

/// The argument for mtools that names the partition.
fn drive(raw: &Path) -> String {
    format!("{}@@{START}", raw.display())
}

fn names(card: &Card, path: &str) -> Vec<String> {
    card.list(path)
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect()
}

#[test]
fn an_overlay_is_edited_and_its_base_is_not() {
    let image = Image::new("dos");
    let before = fs::read(image.path()).unwrap();
    let overlay = Overlay::create(image.path()).unwrap();
    let big: Vec<u8> = (0..5_000_000_u32)
        .flat_map(|number| number.to_le_bytes())
        .collect();

    let card = Card::open(&overlay).unwrap();
    card.mkdir("boot").unwrap();
    card.mkdir("/boot/A long folder name/").unwrap();
    card.write("/boot/A long folder name/big.bin", &big).unwrap();
    card.write("system.ini", b"a much longer text than the one that follows\r\n")
        .unwrap();
    card.write("System.INI", b"hostname = kitchen\r\n").unwrap();
    card.write("gone.txt", b"x").unwrap();
    card.remove("gone.txt").unwrap();
    card.rename("system.ini", "boot/system (1).ini").unwrap();
    card.write("Grüße.txt", b"").unwrap();
    assert_eq!(names(&card, "/boot"), ["A long folder name", "system (1).ini"]);
    card.close().unwrap();

    let card = Card::open(&overlay).unwrap();
    assert!(!card.is_dirty().unwrap());
    assert_eq!(card.read("BOOT/a long folder name/BIG.BIN").unwrap(), big);
    assert_eq!(names(&card, ""), ["boot", "Grüße.txt"]);
    drop(card);

    check_fat(&overlay).unwrap();
    overlay.check().unwrap();
    let raw = image.folder.path().join("flat.img");
    overlay.flatten(&raw).unwrap();
    assert_eq!(
        tool("mtype", &["-i", &drive(&raw), "::/boot/system (1).ini"], ""),
        "hostname = kitchen\r\n"
    );
    assert!(tool("mdir", &["-b", "-i", &drive(&raw)], "").contains("::/boot"));
    let copy = image.folder.path().join("big.bin");
    tool(
        "mcopy",
        &[
            "-i",
            &drive(&raw),
            "::/boot/A long folder name/big.bin",
            copy.to_str().unwrap(),
        ],
        "",
    );
    assert_eq!(fs::read(copy).unwrap(), big);
    assert!(fs::read(image.path()).unwrap() == before, "the base was changed");
}

#[test]
fn what_mtools_writes_is_read_from_a_raw_image_with_gpt() {
    let image = Image::new("gpt");
    let source = image.folder.path().join("source");
    fs::write(&source, "from mtools").unwrap();
    tool(
        "mcopy",
        &[
            "-i",
            &drive(&image.path()),
            source.to_str().unwrap(),
            "::/Long Name.text",
        ],
        "",
    );
    let card = Card::open(image.path()).unwrap();
    assert_eq!(card.read("long name.TEXT").unwrap(), b"from mtools");
    card.write("answer", b"from us").unwrap();
    card.close().unwrap();
    check_fat(image.path()).unwrap();
    assert_eq!(
        tool("mtype", &["-i", &drive(&image.path()), "::/answer"], ""),
        "from us"
    );
}

#[test]
fn damage_is_reported_as_fsck_reports_it() {
    let image = Image::new("dos");
    check_fat(image.path()).unwrap();
    // The flag in the boot sector that a mounted file system sets (Microsoft's FAT specification, BS_Reserved1).
    let file = File::options().write(true).open(image.path()).unwrap();
    file.write_all_at(&[1], START + 0x41).unwrap();
    let error = check_fat(image.path()).unwrap_err();
    assert!(matches!(error, Error::UncleanFat { .. }));
    assert!(error.to_string().contains("Dirty bit is set"), "{error}");
    let card = Card::open(image.path()).unwrap();
    assert!(card.is_dirty().unwrap());
    card.write("x", b"y").unwrap();
    card.close().unwrap();
    assert!(
        check_fat(image.path()).is_err(),
        "writing must not hide that the card was pulled out"
    );
}

#[test]
fn a_card_in_a_running_machine_cannot_be_opened() {
    let image = Image::new("dos");
    let overlay = Overlay::create(image.path()).unwrap();
    let machine = Machine::new("in use")
        .memory_mib(64)
        .deadline(2 * SOON)
        .disk(overlay.disk());
    let vm = machine.start().unwrap();
    let error = Card::open(&overlay).unwrap_err();
    assert!(error.to_string().contains("lock"), "{error}");
    vm.quit().unwrap();
    Card::open(&overlay).unwrap().close().unwrap();
}

#[test]
fn errors_say_what_and_where() {
    let image = Image::new("dos");
    let card = Card::open(image.path()).unwrap();
    let error = card.read("no/such.file").unwrap_err().to_string();
    assert!(
        error.starts_with(r#"reading "no/such.file" on the card "#),
        "{error}"
    );
    card.mkdir("folder").unwrap();
    card.write("folder/file", b"").unwrap();
    assert!(card.remove("folder").is_err());
    assert!(card.write("folder", b"").is_err());
    assert!(card.rename("folder", "folder/file").is_err());
    card.mkdir("other").unwrap();
    assert!(
        card.rename("folder", "other/folder")
            .unwrap_err()
            .to_string()
            .contains("renaming \"folder\"")
    );
    card.rename("folder", "Folder of files").unwrap();
    card.rename("Folder of files/file", "other/file").unwrap();
    // Folders that are there already stay as they are.
    card.mkdir("OTHER").unwrap();
    assert_eq!(names(&card, "other"), ["file"]);
    let full = card.write("full", &vec![1; 120 << 20]).unwrap_err().to_string();
    assert!(full.starts_with(r#"writing "full" on the card"#), "{full}");
    card.close().unwrap();
    check_fat(image.path()).unwrap();

    let error = Card::open(Guest::new().disk_path()).unwrap_err();
    assert!(error.to_string().contains("no FAT partition"), "{error}");
    let error = Card::open("/no/such.img").unwrap_err();
    assert!(
        error.to_string().contains("reading the disk image /no/such.img"),
        "{error}"
    );
    let error = Overlay::create("/no/such.img").unwrap_err();
    assert!(error.to_string().contains("/no/such.img"), "{error}");
}

#[test]
fn a_large_sparse_image_is_opened_at_once() {
    let image = Image::new("dos");
    File::options()
        .write(true)
        .open(image.path())
        .unwrap()
        .set_len(20 << 30)
        .unwrap();
    let overlay = Overlay::create(image.path()).unwrap();
    assert!(Disk::detect(&overlay).unwrap() == overlay.disk());
    let begin = Instant::now();
    let card = Card::open(&overlay).unwrap();
    card.write("x", b"y").unwrap();
    card.close().unwrap();
    check_fat(&overlay).unwrap();
    assert!(begin.elapsed() < SOON);
}
