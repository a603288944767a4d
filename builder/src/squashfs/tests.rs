//! Packs trees with every kind of file and lets squashfs-tools and the kernel say what came out.

use super::*;
use std::{
    collections::BTreeSet,
    ffi::OsStr,
    fs::{self, Permissions},
    io::{Seek, SeekFrom, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, lchown, symlink},
        net::UnixListener,
    },
    process::Command,
    time::{Duration, UNIX_EPOCH},
};
use tempfile::TempDir;

const EPOCH: u32 = 1_700_000_000;

fn options() -> Options {
    Options {
        compression: Compression::Zstd(3),
        epoch: EPOCH,
        ..Options::default()
    }
}

/// Runs a program that must succeed within a minute; returns what it printed.
fn run(program: &str, args: &[&OsStr]) -> String {
    let output = Command::new("timeout")
        .args(["60", program])
        .args(args)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{program} {args:?}: {}\n{error}",
        output.status
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

macro_rules! run {
    ($program:expr $(, $arg:expr)*) => { run($program, &[$(OsStr::new($arg)),*]) };
}

mod blocks;
mod limit;

/// A mount that ends with the test.
struct Mount(PathBuf);

impl Mount {
    fn new(kind: &str, options: &str, source: &Path, target: &Path) -> Self {
        run!("mount", "-t", kind, "-o", options, source, target);
        Self(target.to_owned())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        run!("umount", &self.0);
    }
}

/// Bytes that do not compress and differ for each seed.
fn noise(length: usize, mut seed: u64) -> Vec<u8> {
    let mut next = || {
        seed = seed
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (seed >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

fn set_mtime(path: &Path, seconds: u64) {
    File::open(path)
        .unwrap()
        .set_modified(UNIX_EPOCH + Duration::from_secs(seconds))
        .unwrap();
}

/// A version 2 `security.capability` with `cap_net_raw=ep` (include/uapi/linux/capability.h).
fn capability() -> Vec<u8> {
    [0x0200_0001_u32, 1 << 13, 0, 0, 0]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect()
}

/// A tree with every kind of file there is.
fn make_tree() -> TempDir {
    let root = TempDir::new().unwrap();
    let at = |path: &str| root.path().join(path);
    fs::set_permissions(root.path(), Permissions::from_mode(0o755)).unwrap();
    for directory in [
        "empty",
        "usr/lib/deep/deeper/deepest",
        "many",
        "home/someone",
        "shared",
    ] {
        fs::create_dir_all(at(directory)).unwrap();
    }
    // Sizes around the edges of blocks, a tail of each length, and a duplicate of one.
    let block = 128 << 10;
    for (seed, size) in [0, 1, 100, block - 1, block, block + 1, 3 * block + 77]
        .into_iter()
        .enumerate()
    {
        fs::write(
            at("usr/lib").join(format!("size-{size}")),
            noise(size, seed as u64),
        )
        .unwrap();
    }
    fs::write(
        at("usr/lib/compressible"),
        b"all work and no play ".repeat(40_000),
    )
    .unwrap();
    fs::copy(
        at(&format!("usr/lib/size-{}", 3 * block + 77)),
        at("usr/lib/deep/duplicate"),
    )
    .unwrap();
    fs::write(at("usr/lib/deep/deeper/deepest/file"), "bottom").unwrap();
    let mut sparse = File::create(at("usr/lib/sparse")).unwrap();
    sparse.seek(SeekFrom::Start(1 << 20)).unwrap();
    sparse.write_all(b"island").unwrap();
    sparse.set_len(3 << 20).unwrap();

    fs::write(at("usr/setuid"), "root's").unwrap();
    fs::set_permissions(at("usr/setuid"), Permissions::from_mode(0o4755)).unwrap();
    fs::set_permissions(at("shared"), Permissions::from_mode(0o3777)).unwrap();
    fs::write(at("home/someone/own"), "mine").unwrap();
    fs::set_permissions(at("home/someone/own"), Permissions::from_mode(0o600)).unwrap();
    chown(at("home/someone/own"), Some(1000), Some(100_000)).unwrap();

    symlink("usr/lib", at("lib")).unwrap();
    symlink("/nowhere/".to_owned() + &"x".repeat(900), at("dangling")).unwrap();
    lchown(at("dangling"), Some(7), Some(8)).unwrap();
    fs::hard_link(at("lib"), at("home/lib-again")).unwrap();
    fs::hard_link(at("home/someone/own"), at("empty.link")).unwrap();
    fs::hard_link(at("home/someone/own"), at("usr/third-link")).unwrap();
    fs::write(
        at("home").join(OsStr::from_bytes(b"\xff\xfe bytes\n")),
        "odd name",
    )
    .unwrap();

    run!("mknod", &at("null"), "c", "1", "3");
    run!("mknod", &at("disk"), "b", "259", "70000");
    run!("mknod", &at("pipe"), "p");
    UnixListener::bind(at("home/socket")).unwrap();

    for number in 0..3000 {
        fs::write(
            at("many").join(format!("a-file-with-a-rather-long-name-{number}")),
            number.to_string(),
        )
        .unwrap();
    }

    xattr::set(at("usr/setuid"), "security.capability", &capability()).unwrap();
    xattr::set(at("usr/lib"), "user.note", b"on a directory").unwrap();
    xattr::set(at("usr/lib/compressible"), "user.note", b"on a file").unwrap();
    xattr::set(at("usr/lib/sparse"), "user.note", b"on a file").unwrap();
    xattr::set(at("usr/lib/compressible"), "trusted.overlay.origin", b"dropped").unwrap();

    set_mtime(&at("usr/lib/compressible"), 1_234_567_890);
    set_mtime(&at("usr/lib/sparse"), u64::from(EPOCH) + 5000);
    set_mtime(&at("empty"), 1);
    root
}

/// All paths below a directory, relative to it, sorted; without sockets.
fn walk(root: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut pending = vec![root.to_owned()];
    while let Some(path) = pending.pop() {
        let file_type = fs::symlink_metadata(&path).unwrap().file_type();
        if file_type.is_socket() {
            continue;
        }
        if file_type.is_dir() {
            pending.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
        found.insert(path.strip_prefix(root).unwrap().to_owned());
    }
    found
}

/// The extended attributes that are to be kept.
fn kept_xattrs(path: &Path) -> Vec<(String, Vec<u8>)> {
    // A SquashFS without any attributes does not support them.
    let names = xattr::list(path)
        .into_iter()
        .flatten()
        .map(|name| name.into_string().unwrap());
    let mut kept: Vec<_> = names
        .filter(|name| name == "security.capability" || name.starts_with("user."))
        .map(|name| (name.clone(), xattr::get(path, &name).unwrap().unwrap()))
        .collect();
    kept.sort();
    kept
}

/// Asserts that `result` is what packing `source` must bring: everything but sockets, with times clamped.
fn assert_same(source: &Path, result: &Path) {
    assert_eq!(walk(source), walk(result));
    for path in walk(source) {
        let (a, b) = (source.join(&path), result.join(&path));
        let (ma, mb) = (
            fs::symlink_metadata(&a).unwrap(),
            fs::symlink_metadata(&b).unwrap(),
        );
        let facts = |m: &fs::Metadata| (m.mode(), m.uid(), m.gid(), m.nlink(), m.rdev());
        assert_eq!(facts(&ma), facts(&mb), "{path:?}");
        assert_eq!(ma.mtime().min(EPOCH.into()), mb.mtime(), "{path:?}");
        assert_eq!(kept_xattrs(&a), kept_xattrs(&b), "{path:?}");
        assert!(
            !matches!(xattr::get(&b, "trusted.overlay.origin"), Ok(Some(_))),
            "{path:?}"
        );
        if ma.is_file() {
            assert_eq!(ma.len(), mb.len(), "{path:?}");
            assert!(fs::read(&a).unwrap() == fs::read(&b).unwrap(), "{path:?}");
        } else if ma.is_symlink() {
            assert_eq!(fs::read_link(&a).unwrap(), fs::read_link(&b).unwrap());
        }
    }
}

#[test]
fn every_kind_of_file_comes_back_through_the_kernel_and_through_unsquashfs() {
    let (tree, work) = (make_tree(), TempDir::new().unwrap());
    let compressions = [
        Compression::Zstd(19),
        Compression::Gzip(6),
        Compression::Xz(6),
        Compression::Lz4,
    ];
    for (compression, block_size) in compressions
        .into_iter()
        .zip([128 << 10, 4 << 10, 1 << 20, 64 << 10])
    {
        let options = Options {
            compression,
            block_size,
            ..options()
        };
        // A file of its own each time: while anybody still looks at the loop device of the last one, mount(8) would take that
        // again for the same file, with what the kernel has cached of it.
        let image = work.path().join(format!("image-{block_size}"));
        let mut last = None;
        let summary = pack(tree.path(), &image, &options, &mut |progress| {
            last = Some(progress)
        })
        .unwrap();
        assert_eq!(summary.skipped_sockets, [Path::new("home/socket")]);
        assert_eq!(
            last,
            Some(Progress {
                done: summary.bytes_read,
                total: summary.bytes_read
            })
        );
        assert_eq!(summary.image_size, fs::metadata(&image).unwrap().len());

        let unpacked = work.path().join(format!("unpacked-{block_size}"));
        run!(
            "unsquashfs",
            "-strict-errors",
            "-no-progress",
            "-xattrs",
            "-d",
            &unpacked,
            &image
        );
        assert_same(tree.path(), &unpacked);

        let mounted = work.path().join("mounted");
        fs::create_dir_all(&mounted).unwrap();
        let _mount = Mount::new("squashfs", "loop,ro", &image, &mounted);
        assert_same(tree.path(), &mounted);
        let inode = |path: &str| fs::symlink_metadata(mounted.join(path)).unwrap().ino();
        assert_eq!(inode("empty.link"), inode("home/someone/own"));
        assert_eq!(inode("lib"), inode("home/lib-again"));
    }
}

#[test]
fn the_image_does_not_depend_on_the_workers() {
    let (tree, work) = (make_tree(), TempDir::new().unwrap());
    let image = |name: &str, workers, backlog| {
        let path = work.path().join(name);
        pack(
            tree.path(),
            &path,
            &Options {
                workers,
                backlog,
                ..options()
            },
            &mut |_| (),
        )
        .unwrap();
        path
    };
    let one = image("one", 1, 1);
    for (workers, backlog) in [(2, 10), (3, 1000), (16, 1000)] {
        run!("cmp", &one, &image("other", workers, backlog));
    }
    let facts = run!("unsquashfs", "-stat", "-UTC", &one);
    assert!(
        facts.contains("Compression zstd") && facts.contains("Tue Nov 14 22:13:20 2023"),
        "{facts}"
    );
}

#[test]
fn excluded_paths_stay_out_and_owners_are_overridden() {
    let (tree, work) = (make_tree(), TempDir::new().unwrap());
    let image = work.path().join("image");
    let exclude = ["many/*", "usr/lib", "null"].map(PathBuf::from).to_vec();
    let owners = BTreeMap::from([(PathBuf::from("shared"), Owner { uid: 33, gid: 44 })]);
    pack(
        tree.path(),
        &image,
        &Options {
            exclude,
            owners,
            ..options()
        },
        &mut |_| (),
    )
    .unwrap();
    let list = run!("unsquashfs", "-lln", "-d", "", &image);
    assert!(list.lines().any(|line| line.ends_with("/many")), "{list}");
    assert!(
        !list.contains("/many/") && !list.contains("/usr/lib") && !list.contains("/null"),
        "{list}"
    );
    let shared = list.lines().find(|line| line.ends_with("/shared")).unwrap();
    assert!(shared.contains(" 33/44 "), "{shared}");
}

#[test]
fn a_file_over_four_gibibytes_keeps_its_size() {
    let (tree, work) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let size = (4 << 30) + 5;
    let mut file = File::create(tree.path().join("huge")).unwrap();
    file.set_len(size).unwrap();
    file.seek(SeekFrom::Start(size - 3)).unwrap();
    file.write_all(b"end").unwrap();
    let image = work.path().join("image");
    let summary = pack(
        tree.path(),
        &image,
        &Options {
            block_size: 1 << 20,
            ..options()
        },
        &mut |_| (),
    )
    .unwrap();
    assert_eq!(summary.bytes_read, size);
    assert!(summary.image_size < 1 << 20);
    let _mount = Mount::new("squashfs", "loop,ro", &image, work.path());
    let mut packed = File::open(work.path().join("huge")).unwrap();
    assert_eq!(packed.metadata().unwrap().len(), size);
    packed.seek(SeekFrom::Start(size - 6)).unwrap();
    let mut end = Vec::new();
    packed.read_to_end(&mut end).unwrap();
    assert_eq!(end, b"\0\0\0end");
}

#[test]
fn a_full_disk_is_named() {
    let (tree, work) = (make_tree(), TempDir::new().unwrap());
    fs::write(tree.path().join("usr/lib/big"), noise(4 << 20, 1)).unwrap();
    let _mount = Mount::new("tmpfs", "size=1m", Path::new("none"), work.path());
    let image = work.path().join("image");
    for options in [
        options(),
        Options {
            backlog: 3,
            ..options()
        },
    ] {
        let error = format!(
            "{:#}",
            pack(tree.path(), &image, &options, &mut |_| ()).unwrap_err()
        );
        assert!(error.contains("No space left on device"), "{error}");
        assert!(error.contains(image.to_str().unwrap()), "{error}");
    }
}

#[test]
fn bad_input_is_explained() {
    let (tree, work) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let image = work.path().join("image");
    let fails = |tree: &Path, image: &Path, options: &Options| {
        format!("{:#}", pack(tree, image, options, &mut |_| ()).unwrap_err())
    };
    let error = fails(
        tree.path(),
        &image,
        &Options {
            block_size: 100_000,
            ..options()
        },
    );
    assert!(error.contains("block size 100000: use a power of two"), "{error}");
    let error = fails(
        tree.path(),
        &image,
        &Options {
            compression: Compression::Zstd(99),
            ..options()
        },
    );
    assert!(error.contains("Zstd(99)"), "{error}");
    let error = fails(&tree.path().join("missing"), &image, &options());
    assert!(error.contains("missing: No such file"), "{error}");
    let error = fails(tree.path(), &work.path().join("no/folder"), &options());
    assert!(error.contains("no/folder: No such file"), "{error}");
}

#[test]
fn an_empty_tree_is_a_valid_image() {
    let (tree, work) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let image = work.path().join("image");
    set_mtime(tree.path(), 77);
    pack(tree.path(), &image, &options(), &mut |_| ()).unwrap();
    let _mount = Mount::new("squashfs", "loop,ro", &image, work.path());
    assert_same(tree.path(), work.path());
}
