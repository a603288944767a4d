use std::collections::BTreeMap;

use tar::{Builder, Header};

use super::*;

/// Makes tar files by hand, also such as no program makes.
pub struct Made(Builder<Vec<u8>>);

impl Made {
    pub fn new() -> Made {
        Made(Builder::new(Vec::new()))
    }

    /// Adds an entry; `name` and `link` are taken as they are.
    pub fn entry(mut self, kind: EntryType, name: &str, link: &str, content: &[u8]) -> Made {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(content.len() as u64);
        header.set_mode(if kind == EntryType::Directory {
            0o755
        } else {
            0o644
        });
        header.set_mtime(1_000_000_000);
        let user = nix::unistd::Uid::effective().as_raw();
        header.set_uid(u64::from(user));
        header.set_gid(u64::from(nix::unistd::Gid::effective().as_raw()));
        let old = header.as_old_mut();
        old.name[..name.len()].copy_from_slice(name.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    pub fn file(self, name: &str, content: &str) -> Made {
        self.entry(EntryType::Regular, name, "", content.as_bytes())
    }

    pub fn folder(self, name: &str) -> Made {
        self.entry(EntryType::Directory, name, "", b"")
    }

    pub fn symlink(self, name: &str, to: &str) -> Made {
        self.entry(EntryType::Symlink, name, to, b"")
    }

    pub fn done(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

/// A root in a folder, beside which things lie that no tar file may touch.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        fs::write(dir.path().join("precious"), "mine").unwrap();
        Place { dir }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn layer(&self, made: Made) -> &Place {
        unpack(made.done().as_slice(), &self.root(), Kind::Layer).unwrap();
        self
    }

    fn refuses(&self, made: Made) -> String {
        let said = match unpack(made.done().as_slice(), &self.root(), Kind::Layer) {
            Err(UnpackError::Input(said)) => said,
            other => panic!("{other:?}"),
        };
        self.assert_nothing_outside();
        said
    }

    fn assert_nothing_outside(&self) {
        let mut names: Vec<_> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["precious", "root"]);
        assert_eq!(
            fs::read_to_string(self.dir.path().join("precious")).unwrap(),
            "mine"
        );
    }

    /// Everything in the root, with contents and targets.
    fn tree(&self) -> String {
        let mut found = BTreeMap::new();
        let mut todo = vec![self.root()];
        while let Some(folder) = todo.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let metadata = fs::symlink_metadata(&path).unwrap();
                let what = if metadata.is_dir() {
                    todo.push(path.clone());
                    "/".to_string()
                } else if metadata.is_symlink() {
                    format!(" -> {}", fs::read_link(&path).unwrap().display())
                } else {
                    format!("={}", fs::read_to_string(&path).unwrap())
                };
                found.insert(
                    path.strip_prefix(self.root()).unwrap().display().to_string(),
                    what,
                );
            }
        }
        self.assert_nothing_outside();
        let lines: Vec<_> = found.into_iter().map(|(name, what)| name + &what).collect();
        lines.join(" ")
    }
}

#[test]
fn whiteouts_take_away_what_lower_layers_have() {
    let place = Place::new();
    place.layer(
        Made::new()
            .file("a", "1")
            .file("b", "1")
            .folder("d/")
            .file("d/x", "1")
            .file("d/e/y", "1"),
    );
    assert_eq!(place.tree(), "a=1 b=1 d/ d/e/ d/e/y=1 d/x=1");
    place.layer(
        Made::new()
            .file(".wh.a", "")
            .file("d/.wh.e", "")
            .file(".wh.of-nowhere", "")
            .file(".wh..wh.plnk", ""),
    );
    assert_eq!(place.tree(), "b=1 d/ d/x=1");
    // A folder that goes and comes again is new.
    place.layer(
        Made::new()
            .file("d/z", "3")
            .file(".wh.d", "")
            .file(".wh.b", "")
            .file("b", "3"),
    );
    assert_eq!(place.tree(), "b=3 d/ d/z=3");
}

#[test]
fn an_opaque_folder_has_only_what_its_own_layer_brings() {
    for first in [true, false] {
        let place = Place::new();
        place.layer(
            Made::new()
                .file("d/old", "1")
                .file("d/sub/old", "1")
                .file("keep", "1"),
        );
        let made = Made::new().folder("d/");
        let made = match first {
            true => made
                .file("d/.wh..wh..opq", "")
                .file("d/new", "2")
                .file("d/sub/new", "2"),
            false => made
                .file("d/new", "2")
                .file("d/sub/new", "2")
                .file("d/.wh..wh..opq", ""),
        };
        place.layer(made);
        assert_eq!(place.tree(), "d/ d/new=2 d/sub/ d/sub/new=2 keep=1");
    }
}

#[test]
fn in_a_whole_tree_such_names_mean_nothing() {
    let place = Place::new();
    let tar = Made::new().file("a", "1").file(".wh.a", "2").done();
    unpack(tar.as_slice(), &place.root(), Kind::Tree).unwrap();
    assert_eq!(place.tree(), ".wh.a=2 a=1");
}

#[test]
fn what_is_of_another_kind_is_replaced() {
    let place = Place::new();
    place.layer(
        Made::new()
            .file("a", "1")
            .file("d/x", "1")
            .symlink("l", "d")
            .folder("e/"),
    );
    place.layer(
        Made::new()
            .folder("a/")
            .file("d", "2")
            .folder("l/")
            .symlink("e", "a"),
    );
    assert_eq!(place.tree(), "a/ d=2 e -> a l/");
}

#[test]
fn links_of_lower_layers_are_followed_inside() {
    let place = Place::new();
    place.layer(
        Made::new()
            .folder("usr/lib/")
            .symlink("lib", "usr/lib")
            .symlink("abs", "/usr")
            .symlink("up", "../../usr"),
    );
    place.layer(
        Made::new()
            .file("lib/a", "1")
            .file("abs/b", "2")
            .file("up/c", "3")
            .file("/d", "4"),
    );
    assert_eq!(
        place.tree(),
        "abs -> /usr d=4 lib -> usr/lib up -> ../../usr usr/ usr/b=2 usr/c=3 usr/lib/ usr/lib/a=1"
    );
}

#[test]
fn nothing_is_written_outside() {
    let place = Place::new();
    let said = place.refuses(Made::new().file("../precious", "yours"));
    assert_eq!(
        said,
        "\"../precious\" can't be unpacked: its name leads out of the image"
    );
    place.refuses(Made::new().file("a/../../precious", "yours"));
}

#[test]
fn a_link_upwards_ends_at_the_root() {
    let place = Place::new();
    place.layer(Made::new().symlink("out", "..").file("out/precious", "yours"));
    assert_eq!(place.tree(), "out -> .. precious=yours");
    let place = Place::new();
    // A file in the place of a link replaces the link, and not what it leads to.
    place.layer(
        Made::new()
            .symlink("precious", "../precious")
            .file("precious", "yours"),
    );
    assert_eq!(place.tree(), "precious=yours");
}

#[test]
fn hard_links_reach_lower_layers_and_nothing_else() {
    let place = Place::new();
    place.layer(Made::new().file("usr/a", "1").symlink("l", "/usr"));
    place.layer(
        Made::new()
            .entry(EntryType::Link, "b", "usr/a", b"")
            .entry(EntryType::Link, "c", "/l/a", b"")
            .entry(EntryType::Link, "b", "./b", b""),
    );
    assert_eq!(place.tree(), "b=1 c=1 l -> /usr usr/ usr/a=1");
    let inode = |name: &str| fs::metadata(place.root().join(name)).unwrap().ino();
    assert_eq!((inode("b"), inode("c")), (inode("usr/a"), inode("usr/a")));
    for to in ["../precious", "/../precious", "usr/nothing", "usr", ""] {
        let said = place.refuses(Made::new().entry(EntryType::Link, "x", to, b""));
        assert!(
            said.starts_with("\"x\" can't be unpacked: it is a hard link "),
            "{said}"
        );
    }
    // A hard link to a link is one to the link itself.
    place.layer(
        Made::new()
            .symlink("s", "../precious")
            .entry(EntryType::Link, "t", "s", b"")
            .file("t", "yours"),
    );
    assert!(place.tree().contains("s -> ../precious t=yours"));
}

#[test]
fn device_nodes_may_be_in_dev_only() {
    let place = Place::new();
    place.layer(
        Made::new()
            .entry(EntryType::Char, "dev/null", "", b"")
            .entry(EntryType::Block, "./dev/sda", "", b"")
            .entry(EntryType::Fifo, "pipe", "", b""),
    );
    let pipe = fs::symlink_metadata(place.root().join("pipe")).unwrap();
    assert!(std::os::unix::fs::FileTypeExt::is_fifo(&pipe.file_type()));
    fs::remove_file(place.root().join("pipe")).unwrap();
    assert_eq!(place.tree(), "");
    let said = place.refuses(Made::new().entry(EntryType::Char, "srv/zero", "", b""));
    assert!(
        said.starts_with("\"srv/zero\" can't be unpacked: it is a device node"),
        "{said}"
    );
}

#[test]
fn a_file_is_no_folder() {
    let place = Place::new();
    let said = place.refuses(Made::new().file("a", "1").file("a/b", "2"));
    assert_eq!(said, "\"a/b\" can't be unpacked: what it lies in is no folder");
    let said = place.refuses(Made::new().symlink("loop", "loop").file("loop/b", "2"));
    assert_eq!(said, "\"loop/b\" can't be unpacked: what it lies in is no folder");
}

#[test]
fn modes_times_and_attributes_are_kept() {
    let place = Place::new();
    let mut builder = Builder::new(Vec::new());
    builder
        .append_pax_extensions([
            ("SCHILY.xattr.user.kept", b"v".as_slice()),
            ("SCHILY.xattr.user.overlay.opaque", b"y"),
            ("SCHILY.xattr.security.selinux", b"label"),
        ])
        .unwrap();
    let mut header = Header::new_ustar();
    header.set_path("a").unwrap();
    header.set_size(1);
    header.set_mode(0o4750);
    header.set_mtime(1_000_000_000);
    header.set_uid(u64::from(nix::unistd::Uid::effective().as_raw()));
    header.set_gid(u64::from(nix::unistd::Gid::effective().as_raw()));
    header.set_cksum();
    builder.append(&header, &b"x"[..]).unwrap();
    unpack(
        builder.into_inner().unwrap().as_slice(),
        &place.root(),
        Kind::Layer,
    )
    .unwrap();
    let file = place.root().join("a");
    let metadata = fs::metadata(&file).unwrap();
    assert_eq!(
        (metadata.mode() & 0o7777, metadata.mtime()),
        (0o4750, 1_000_000_000)
    );
    let names: Vec<_> = xattr::list(&file)
        .unwrap()
        .filter(|name| name != "security.selinux")
        .collect();
    assert_eq!(names, ["user.kept"]);
}

#[test]
fn the_last_block_need_not_be_whole() {
    let place = Place::new();
    let whole = Made::new().file("a", "1").done();
    unpack(&whole[..513], &place.root(), Kind::Layer).unwrap();
    assert_eq!(place.tree(), "a=1");
}

#[test]
fn what_is_no_tar_file_is_told_so() {
    let place = Place::new();
    for text in ["hello\n", &"binary\0\u{1b}".repeat(500)] {
        match unpack(text.as_bytes(), &place.root(), Kind::Tree) {
            Err(UnpackError::Input(said)) => assert!(
                said.starts_with("it is no tar file") && !said.contains(char::is_control),
                "{said:?}"
            ),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_tar_file_that_ends_too_early_says_so() {
    let place = Place::new();
    let whole = Made::new().file("a", &"x".repeat(5000)).done();
    match unpack(&whole[..2000], &place.root(), Kind::Layer) {
        Err(UnpackError::Input(said)) => {
            assert!(said.starts_with("it is damaged, or ends too early: "), "{said}")
        }
        other => panic!("{other:?}"),
    }
}
