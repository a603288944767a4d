//! Images that this program packs, read back, and compared with what squashfs-tools see.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;

use super::system::Kind;
use super::*;
use crate::disk::{self, Content, DiskImage};
use crate::hash;
use crate::squashfs::{self, Compression, Options};

/// A tree with a bit of everything, packed.
pub fn system_image(folder: &Path, files: &[(&str, &str)], compression: Compression) -> PathBuf {
    let root = folder.join("root");
    fs::create_dir_all(&root).unwrap();
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    for (path, text) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match text.strip_prefix("-> ") {
            Some(to) => symlink(to, path).unwrap(),
            None => fs::write(path, text).unwrap(),
        }
    }
    let image = folder.join("system.img");
    let options = Options {
        compression,
        epoch: 1_767_225_600,
        ..Options::default()
    };
    squashfs::pack(&root, &image, &options, &mut |_| {}).unwrap();
    fs::remove_dir_all(&root).unwrap();
    image
}

/// A disk image around a system.
pub fn disk_image(system: &Path, card: &[(&str, &str)], output: &Path) {
    let mut files = vec![("boot/a/system.img".into(), Content::File(system.to_path_buf()))];
    let bytes = |text: &str| Content::Bytes(text.as_bytes().to_vec());
    files.extend(card.iter().map(|(path, text)| ((*path).to_string(), bytes(text))));
    let image = DiskImage {
        partition_size: 320 << 20,
        volume_id: 7,
        volume_label: "GENPACK".into(),
        files,
        epoch: 1_767_225_600,
        boot: None,
        disk_signature: 7,
        data: None,
    };
    disk::write(output, &image, &mut |_, _| {}).unwrap();
}

#[test]
fn what_is_packed_is_read_back_whatever_the_compressor() {
    let long = "all work and no play ".repeat(40_000);
    for compression in [
        Compression::Zstd(3),
        Compression::Gzip(6),
        Compression::Xz(1),
        Compression::Lz4,
    ] {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            ("usr/bin/long", long.as_str()),
            ("etc/short", "x\n"),
            ("etc/link", "-> ../usr/bin/long"),
            ("empty", ""),
        ];
        let path = system_image(dir.path(), &files, compression);
        let image = Image::open(&path).unwrap();
        assert!(image.card.is_none());
        let read = |path: &str| image.system.read(Path::new(path)).unwrap();
        assert_eq!(read("usr/bin/long").as_deref(), Some(long.as_bytes()));
        assert_eq!(read("etc/short").as_deref(), Some("x\n".as_bytes()));
        assert_eq!(
            (read("empty").as_deref(), read("etc/link"), read("nowhere")),
            (Some(&[][..]), None, None)
        );
        assert_eq!(
            image.system.sha256(Path::new("usr/bin/long")).unwrap(),
            hash::text(&long)
        );

        // squashfs-tools: `mode owner size date time squashfs-root/path`.
        let said = Command::new("unsquashfs")
            .args(["-lln", "-d", ""])
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        let lines = said.lines().filter(|line| line.starts_with(['-', 'd', 'l']));
        let mut seen = 0;
        for line in lines {
            let fields: Vec<_> = line.split_whitespace().collect();
            let path = fields.get(5).map_or("", |path| path.trim_start_matches('/'));
            let node = &image.system.nodes()[Path::new(path)];
            let kind = match &node.kind {
                Kind::Folder => 'd',
                Kind::Link(to) => {
                    assert_eq!(to, Path::new(fields[7]));
                    'l'
                }
                _ => '-',
            };
            assert!(line.starts_with(kind), "{line}");
            if kind == '-' {
                assert_eq!(node.bytes().to_string(), fields[2], "{line}");
            }
            assert_eq!(format!("{}/{}", node.uid, node.gid), fields[1], "{line}");
            seen += 1;
        }
        assert_eq!(seen, image.system.nodes().len(), "{said}");
    }
}

#[test]
fn the_card_of_a_disk_image_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let system = system_image(dir.path(), &[("etc/hostname", "a\n")], Compression::Zstd(1));
    let disk = dir.path().join("disk.img");
    disk_image(
        &system,
        &[("system.ini", "[x]\r\n"), ("boot/b/vmlinuz", "kernel")],
        &disk,
    );
    let image = Image::open(&disk).unwrap();
    let card = image.card.as_ref().unwrap();
    assert_eq!(card.slot, "a");
    assert_eq!(
        card.files.keys().collect::<Vec<_>>(),
        ["boot/a/system.img", "boot/b/vmlinuz", "system.ini"]
    );
    assert_eq!(card.files["system.ini"].sha256, hash::text("[x]\r\n"));
    assert_eq!(card.partition_bytes, 320 << 20);
    assert!(
        card.free_bytes > 300 << 20 && card.free_bytes < 320 << 20,
        "{}",
        card.free_bytes
    );
    assert_eq!(image.system.text(Path::new("etc/hostname")).unwrap(), "a\n");
}

#[test]
fn what_is_no_image_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let error = |path: &Path| format!("{:#}", Image::open(path).err().unwrap());
    assert!(error(&dir.path().join("nowhere")).contains("there is no image"));
    assert!(error(dir.path()).contains("is a folder; name a disk image or a system.img"));
    let path = dir.path().join("text");
    for content in [&b"hello"[..], &[0; 4096], b""] {
        fs::write(&path, content).unwrap();
        assert!(
            error(&path).contains("is neither a disk image of genpack's nor a system.img"),
            "{}",
            error(&path)
        );
    }
    let noise: String = (0..1000).map(|number| hash::text(&number.to_string())).collect();
    let system = system_image(dir.path(), &[("a", &noise)], Compression::Gzip(1));
    let whole = fs::read(&system).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    assert!(
        error(&path).contains("is damaged: it is cut off"),
        "{}",
        error(&path)
    );
    // The tables are at the end.
    let mut damaged = whole;
    let half = damaged.len() / 2;
    damaged[half..].fill(0xff);
    fs::write(&path, &damaged).unwrap();
    assert!(
        error(&path).contains("is damaged: it can't be read"),
        "{}",
        error(&path)
    );
}

fn error_of(path: &Path) -> String {
    format!("{:#}", Image::open(path).err().unwrap())
}

/// The place of a folder's entry on the card of an image, which has no other folder of that name.
fn entry_of(image: &[u8], name: &str) -> usize {
    let name = format!("{name:<11}").to_uppercase();
    let is_folder = |at: usize| image[at..at + 11] == *name.as_bytes() && image[at + 11] == 0x10;
    (0..image.len() - 32)
        .step_by(32)
        .find(|at| is_folder(*at))
        .unwrap()
}

/// A disk image of which `damage` changes the beginning, where all folders are.
fn damaged_disk(folder: &Path, damage: impl FnOnce(&mut [u8])) -> PathBuf {
    use std::os::unix::fs::FileExt;
    let system = system_image(folder, &[("a", "a")], Compression::Zstd(1));
    let disk = folder.join("disk.img");
    disk_image(&system, &[("boot/b/vmlinuz", "kernel")], &disk);
    let file = File::options().read(true).write(true).open(&disk).unwrap();
    let mut head = vec![0; 8 << 20];
    file.read_exact_at(&mut head, 0).unwrap();
    damage(&mut head);
    file.write_all_at(&head, 0).unwrap();
    disk
}

#[test]
fn a_folder_of_the_card_that_contains_itself_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let disk = damaged_disk(dir.path(), |image| {
        let (boot, b) = (entry_of(image, "boot"), entry_of(image, "b"));
        // High and low half of the first cluster.
        for at in [20, 21, 26, 27] {
            image[b + at] = image[boot + at];
        }
    });
    assert!(
        error_of(&disk).contains("is damaged: its card can't be read: its folder boot/b/b/b"),
        "{}",
        error_of(&disk)
    );
}

#[test]
fn a_folder_of_the_card_without_an_end_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    let disk = damaged_disk(dir.path(), |image| {
        let boot = entry_of(image, "boot");
        let start = disk::PARTITION_START as usize;
        let word = |at: usize| usize::from(u16::from_le_bytes([image[at], image[at + 1]]));
        // Microsoft FAT specification 1.03, section 3.1: clusters are counted from 2.
        let (cluster, size) = (word(boot + 26), usize::from(image[start + 13]) * 512);
        let table = start + word(start + 14) * 512;
        let content = table + 2 * 512 * word(start + 36) + (cluster - 2) * size;
        // Only deleted files, and the cluster after it is the same again.
        image[content..content + size].fill(0xe5);
        let next = u32::try_from(cluster).unwrap().to_le_bytes();
        image[table + cluster * 4..][..4].copy_from_slice(&next);
    });
    assert!(
        error_of(&disk).contains("reading its folder /boot: it has no end"),
        "{}",
        error_of(&disk)
    );
}

/// The content of a metadata block that is stored as it is (kernel: `fs/squashfs/squashfs_fs.h`, `SQUASHFS_COMPRESSED_BIT`).
fn block(image: &mut [u8], at: usize) -> &mut [u8] {
    let length = u16::from_le_bytes([image[at], image[at + 1]]);
    assert!(length & 0x8000 != 0, "it is compressed");
    &mut image[at + 2..][..usize::from(length & 0x7fff)]
}

fn number(image: &[u8], at: usize) -> usize {
    usize::try_from(u64::from_le_bytes(image[at..at + 8].try_into().unwrap())).unwrap()
}

#[test]
fn folders_may_lie_deep() {
    let dir = tempfile::tempdir().unwrap();
    let deep = "d/".repeat(250) + "file";
    let path = system_image(dir.path(), &[(&deep, "x")], Compression::Zstd(1));
    let image = Image::open(&path).unwrap();
    assert_eq!(image.system.text(Path::new(&deep)).unwrap(), "x");
    let deeper = "d/".repeat(300) + "file";
    let path = system_image(dir.path(), &[(&deeper, "x")], Compression::Zstd(1));
    assert!(
        error_of(&path).contains("more than 256 deep"),
        "{}",
        error_of(&path)
    );
}

#[test]
fn where_the_reader_panics_the_system_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let path = system_image(dir.path(), &[("a", "some text")], Compression::Zstd(1));
    let mut image = fs::read(&path).unwrap();
    // The table of fragments: a list of blocks, here one, with one entry of place, size and nothing.
    let list = number(&image, 80);
    let place = number(&image, list);
    let fragment = block(&mut image, place);
    // One byte, stored as it is.
    fragment[8..12].copy_from_slice(&((1 << 24) | 1_u32).to_le_bytes());
    fs::write(&path, &image).unwrap();
    let image = Image::open(&path).unwrap();
    for error in [
        image.system.read(Path::new("a")).map(|_| ()),
        image.system.sha256(Path::new("a")).map(|_| ()),
    ] {
        let error = format!("{:#}", error.unwrap_err());
        assert!(
            error.starts_with("the system image is damaged: /a can't be read"),
            "{error}"
        );
    }
}

#[test]
fn no_file_is_read_whole_that_claims_to_be_huge() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("root");
    fs::create_dir(&root).unwrap();
    File::create(root.join("a")).unwrap().set_len(1 << 30).unwrap();
    let path = dir.path().join("system.img");
    squashfs::pack(&root, &path, &Options::default(), &mut |_| {}).unwrap();
    let error = Image::open(&path)
        .unwrap()
        .system
        .read(Path::new("a"))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("/a of the system image is too large to look into: 1024 MiB"),
        "{error}"
    );
}
