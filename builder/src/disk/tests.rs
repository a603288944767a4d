//! Writes disk images and lets sfdisk, fsck.fat, mtools and a BIOS say what they see.

use super::{grub::Platform, *};
use crate::tools::Tools;
use std::{ffi::OsStr, fs, os::unix::fs::MetadataExt, process::Command};
use tempfile::TempDir;

const MIB: u64 = 1 << 20;

/// Runs a program within two minutes; returns whether it succeeded and what it printed.
fn try_run(program: &str, args: &[&OsStr]) -> (bool, String) {
    let output = Command::new("timeout")
        .args(["120", program])
        .args(args)
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8_lossy(&text).into_owned(),
    )
}

macro_rules! run {
    ($program:expr $(, $arg:expr)*) => {{
        let (success, text) = try_run($program, &[$(OsStr::new($arg)),*]);
        assert!(success, "{}: {text}", $program);
        text
    }};
}

fn image(files: Vec<(&str, Content)>) -> DiskImage {
    DiskImage {
        partition_size: 300 * MIB,
        volume_id: 0xabcd_1234,
        volume_label: "GENPACK".into(),
        files: files
            .into_iter()
            .map(|(path, content)| (path.into(), content))
            .collect(),
        epoch: 1_700_000_000,
        boot: None,
        disk_signature: 0x1122_3344,
        data: None,
    }
}

/// A loop device, until the end of the test.
struct Loop(String);

impl Loop {
    fn over_partition(disk: &Path) -> Self {
        Self(
            run!("losetup", "-f", "--show", "-r", "-o", "1M", disk)
                .trim()
                .into(),
        )
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        run!("losetup", "-d", &self.0);
    }
}

/// The image as mtools name it.
fn at_partition(path: &Path) -> String {
    format!("{}@@1M", path.display())
}

#[test]
fn other_programs_find_partition_file_system_and_files() {
    let work = TempDir::new().unwrap();
    let (disk, big) = (work.path().join("disk"), work.path().join("big"));
    let content: Vec<u8> = (0..100 * MIB as u32 / 4).flat_map(u32::to_le_bytes).collect();
    fs::write(&big, &content).unwrap();
    let mut layout = image(vec![
        ("system.ini", Content::Bytes(b"hostname = x\r\n".to_vec())),
        ("empty", Content::Bytes(vec![])),
        ("boot/a/system.img", Content::File(big.clone())),
        ("boot/grub/grub.cfg", Content::Bytes(b"menu".to_vec())),
        ("EFI/BOOT/BOOTX64.EFI", Content::Bytes(vec![7; 5000])),
        (
            "A name that is longer than eight.text",
            Content::Bytes(b"long".to_vec()),
        ),
    ]);
    layout.boot = Some(BootCode {
        boot_img: vec![0x90; 512],
        core_img: vec![0xcc; 60_000],
    });
    let mut steps = Vec::new();
    let begun = std::time::Instant::now();
    write(&disk, &layout, &mut |done, total| steps.push((done, total))).unwrap();
    eprintln!("written in {:?}", begun.elapsed());
    assert!(steps.is_sorted());
    let total = content.len() as u64 + 14 + 4 + 5000 + 4;
    assert_eq!(steps.last(), Some(&(total, total)));

    let table: String = run!("sfdisk", "-J", &disk).split_whitespace().collect();
    for fact in [
        r#""id":"0x11223344""#,
        r#""start":2048,"size":614400,"type":"c","bootable":true"#,
    ] {
        assert!(table.contains(fact), "{table}");
    }
    let verdict = run!("sfdisk", "-V", &disk);
    assert!(verdict.contains("No errors detected"), "{verdict}");

    let raw = fs::read(&disk).unwrap();
    assert_eq!(raw.len() as u64, 301 * MIB);
    assert!(raw[..440].iter().all(|&byte| byte == 0x90));
    assert!(raw[512..60_512].iter().all(|&byte| byte == 0xcc));
    // Free space takes none on the developer's disk.
    assert!(fs::metadata(&disk).unwrap().blocks() * 512 < 110 * MIB);

    let partition = Loop::over_partition(&disk);
    let check = run!("fsck.fat", "-n", "-v", &partition.0);
    for fact in ["4096 bytes per cluster", "2048 hidden sectors", "12 files"] {
        assert!(check.contains(fact), "{fact}: {check}");
    }
    let facts = run!("blkid", "-p", "-o", "export", &partition.0);
    for fact in ["UUID=ABCD-1234", "LABEL=GENPACK", "VERSION=FAT32"] {
        assert!(facts.lines().any(|line| line == fact), "{facts}");
    }

    let list = run!("mdir", "-i", &at_partition(&disk), "::/boot/a");
    assert!(
        list.contains("2023-11-14  22:13") && list.contains("system.img"),
        "{list}"
    );
    let copy = work.path().join("copy");
    run!("mcopy", "-i", &at_partition(&disk), "::/boot/a/system.img", &copy);
    assert!(fs::read(&copy).unwrap() == content);
    for (path, expected) in [
        ("system.ini", "hostname = x\r\n"),
        ("empty", ""),
        ("A name that is longer than eight.text", "long"),
    ] {
        assert_eq!(
            run!("mtype", "-i", &at_partition(&disk), &format!("::/{path}")),
            expected
        );
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let work = TempDir::new().unwrap();
    let layout = image(vec![("folder/file", Content::Bytes(vec![1; 100_000]))]);
    let (one, two) = (work.path().join("one"), work.path().join("two"));
    write(&one, &layout, &mut |_, _| ()).unwrap();
    // Over an older, larger image, too.
    fs::write(&two, vec![0xff; 2 << 20]).unwrap();
    write(&two, &layout, &mut |_, _| ()).unwrap();
    run!("cmp", &one, &two);
}

fn data(size: u64) -> Option<DataPartition> {
    Some(DataPartition {
        size,
        uuid: "11223344-5566-4788-99aa-bbccddeeff00".into(),
        label: genpack_spec::layout::DATA_LABEL.into(),
        tools: Tools::at(Path::new("/")),
    })
}

#[test]
fn a_data_partition_is_sound_and_always_the_same() {
    let work = TempDir::new().unwrap();
    for size in [16 * MIB, 64 * MIB, 2048 * MIB] {
        let layout = DiskImage {
            data: data(size),
            ..image(vec![("folder/file", Content::Bytes(vec![1; 100_000]))])
        };
        let (one, two) = (work.path().join("one"), work.path().join("two"));
        write(&one, &layout, &mut |_, _| ()).unwrap();
        write(&two, &layout, &mut |_, _| ()).unwrap();
        run!("cmp", &one, &two);
        assert_eq!(fs::metadata(&one).unwrap().len(), 301 * MIB + size);
        assert!(fs::metadata(&one).unwrap().blocks() * 512 < 8 * MIB, "{size}");

        let table: String = run!("sfdisk", "-J", &one).split_whitespace().collect();
        let (start, sectors) = (301 * MIB / SECTOR, size / SECTOR);
        for fact in [
            r#""start":2048,"size":614400,"type":"c","bootable":true"#.to_string(),
            format!(r#""start":{start},"size":{sectors},"type":"83""#),
        ] {
            assert!(table.contains(&fact), "{table}");
        }
        assert!(run!("sfdisk", "-V", &one).contains("No errors detected"));
        run!("fsck.fat", "-n", &Loop::over_partition(&one).0);

        let partition = work.path().join("partition");
        let (from, to) = (
            format!("if={}", one.display()),
            format!("of={}", partition.display()),
        );
        run!(
            "dd",
            &from,
            &to,
            "bs=1M",
            "skip=301",
            "conv=sparse",
            "status=none"
        );
        run!("e2fsck", "-f", "-n", &partition);
        let facts = run!("dumpe2fs", "-h", &partition);
        for fact in [
            "Filesystem volume name:   GENPACK-DATA",
            "Filesystem UUID:          11223344-5566-4788-99aa-bbccddeeff00",
            "Block size:               4096",
            "Errors behavior:          Remount read-only",
        ] {
            assert!(facts.contains(fact), "{facts}");
        }
        // A card in a computer still is its first partition.
        let card = genpack_qemu::Card::open(&one).unwrap();
        assert_eq!(card.read("folder/file").unwrap().len(), 100_000);
    }
}

#[test]
fn what_does_not_fit_is_explained() {
    let work = TempDir::new().unwrap();
    let disk = work.path().join("disk");
    let fails = |layout: &DiskImage| format!("{:#}", write(&disk, layout, &mut |_, _| ()).unwrap_err());

    let error = fails(&DiskImage {
        partition_size: 64 * MIB,
        ..image(vec![])
    });
    assert_eq!(
        error,
        "a FAT32 partition needs at least 257 MiB, not 64 MiB: make the image larger"
    );

    let sparse = |name: &str, size| {
        let path = work.path().join(name);
        File::create(&path).unwrap().set_len(size).unwrap();
        Content::File(path)
    };
    let error = fails(&image(vec![("boot/a/system.img", sparse("huge", 4 << 30))]));
    assert!(
        error.contains("boot/a/system.img has 4096 MiB") && error.contains("smaller than 4 GiB"),
        "{error}"
    );

    let error = fails(&image(vec![("x", sparse("large", 300 * MIB))]));
    assert!(
        error.contains("the files need 301 MiB, but the partition has 300 MiB"),
        "{error}"
    );

    let boot = Some(BootCode {
        boot_img: vec![0; 512],
        core_img: vec![0; MIB as usize - 511],
    });
    let error = fails(&DiskImage {
        boot,
        ..image(vec![])
    });
    assert!(
        error.contains("core.img has 1048065 bytes, but there is room for 1048064"),
        "{error}"
    );

    let bytes = || Content::Bytes(vec![]);
    let error = fails(&image(vec![("README", bytes()), ("readme", bytes())]));
    assert!(
        error.contains("readme and README are the same file on FAT"),
        "{error}"
    );
    let error = fails(&image(vec![("a:b", bytes())]));
    assert!(error.contains("a:b"), "{error}");
    let error = fails(&image(vec![("x", Content::File(work.path().join("missing")))]));
    assert!(error.contains("missing: No such file"), "{error}");
    let error = fails(&DiskImage {
        volume_label: "lower".into(),
        ..image(vec![])
    });
    assert!(error.contains("\"lower\""), "{error}");
}

#[test]
fn the_smallest_and_a_large_partition_are_sound() {
    let work = TempDir::new().unwrap();
    for (size, cluster) in [(257 * MIB, 4096), (9 << 30, 8192)] {
        let disk = work.path().join("disk");
        write(
            &disk,
            &DiskImage {
                partition_size: size,
                ..image(vec![])
            },
            &mut |_, _| (),
        )
        .unwrap();
        let check = run!("fsck.fat", "-n", "-v", &Loop::over_partition(&disk).0);
        assert!(check.contains(&format!("{cluster} bytes per cluster")), "{check}");
    }
}

#[test]
fn grub_images_are_reproducible_and_a_missing_file_is_named() {
    let config = grub::early_config(0xabcd_1234);
    let host = Tools::at(Path::new("/"));
    assert!(config.contains("--set=root ABCD-1234\n"), "{config}");
    for platform in [Platform::BiosPc, Platform::UefiX86_64] {
        let make = || grub::image(platform, &host, &config).unwrap();
        assert!(make() == make());
        let error = grub::image(platform, &Tools::at(Path::new("/nowhere")), &config)
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("reading GRUB's /nowhere/usr/lib/grub/"),
            "{error}"
        );
    }
}

#[test]
fn bios_and_uefi_start_grub_from_the_image() {
    let work = TempDir::new().unwrap();
    let disk = work.path().join("disk");
    let grub_cfg = b"serial --unit=0\nterminal_output serial\necho prefix is $prefix\nreboot\n";
    let config = grub::early_config(0xabcd_1234);
    let host = Tools::at(Path::new("/"));
    let efi = grub::image(Platform::UefiX86_64, &host, &config).unwrap();
    let mut layout = image(vec![
        ("boot/grub/grub.cfg", Content::Bytes(grub_cfg.to_vec())),
        ("EFI/BOOT/BOOTX64.EFI", Content::Bytes(efi)),
    ]);
    layout.boot = Some(grub::boot_code(&host, &config).unwrap());
    // A second partition confuses neither.
    layout.data = data(16 * MIB);
    write(&disk, &layout, &mut |_, _| ()).unwrap();
    let drive = format!("if=virtio,format=raw,file={}", disk.display());
    for firmware in ["bios.bin", "/usr/share/ovmf/OVMF.fd"] {
        let serial = run!(
            "qemu-system-x86_64",
            "-bios",
            firmware,
            "-display",
            "none",
            "-serial",
            "stdio",
            "-monitor",
            "none",
            "-no-reboot",
            "-nic",
            "none",
            "-drive",
            &drive
        );
        assert!(
            serial.contains("prefix is (hd0,msdos1)/boot/grub"),
            "{firmware}: {serial}"
        );
    }
}
