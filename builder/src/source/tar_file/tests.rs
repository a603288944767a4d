use tar::EntryType;

use super::*;
use crate::cache::Cache;
use crate::source::unpack::tests::Made;

fn source(dir: &Path, tar: &[u8]) -> TarFile {
    let file = dir.join("root.tar");
    fs::write(&file, tar).unwrap();
    let cache = Cache::at(dir.join("cache"), "1G".parse().unwrap());
    let debian = Debian::new("trixie", "amd64".parse().unwrap(), None, &cache).without_system();
    let sha256 = hash::file(&file).unwrap();
    TarFile {
        sha256,
        ..TarFile::new(file, debian)
    }
}

/// Everything that is needed, with links as Debian and others have them.
fn whole_system() -> Made {
    Made::new()
        .folder("./usr/bin/")
        .folder("./usr/sbin/")
        .symlink("./sbin", "usr/sbin")
        .symlink("./bin", "/usr/bin")
        .symlink("usr/sbin/init", "../lib/systemd/systemd")
        .file("usr/lib/systemd/systemd", "")
        .file("usr/lib/systemd/systemd-udevd", "")
        .file("bin/systemctl", "")
        .file("bin/systemd-sysusers", "")
        .file("usr/bin/dbus-broker", "")
        .file("sbin/fsck.fat", "")
        .symlink("sbin/modprobe", "../bin/kmod")
        .file("bin/kmod", "")
        .entry(EntryType::Char, "dev/console", "", b"")
        .file("etc/.wh.kept", "")
}

fn said(outcome: Result<()>) -> String {
    let error = outcome.expect_err("a mistake");
    assert!(error.downcast_ref::<InputError>().is_some(), "{error:#}");
    error.to_string()
}

#[test]
fn the_tar_file_is_the_tree() {
    let dir = tempfile::tempdir().unwrap();
    let tar = whole_system().done();
    let root = tempfile::tempdir().unwrap();
    source(dir.path(), &tar).make(Part::System, root.path()).unwrap();
    assert!(root.path().join("usr/sbin/fsck.fat").is_file());
    assert!(root.path().join("etc/.wh.kept").is_file());
    assert!(!root.path().join("dev/console").exists());
    assert!(
        source(dir.path(), &tar)
            .installed(root.path())
            .unwrap()
            .is_empty()
    );
}

#[test]
fn all_that_a_system_lacks_is_named_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let tar = whole_system().symlink("sbin/init", "/usr/bin/nothing").done();
    let root = tempfile::tempdir().unwrap();
    let text = said(source(dir.path(), &tar).make(Part::System, root.path()));
    assert!(
        text.contains("root.tar: the system in it can't become an appliance; it lacks\n  /sbin/init, which"),
        "{text}"
    );
    assert_eq!(text.matches("(Debian: ").count(), 1, "{text}");
    let root = tempfile::tempdir().unwrap();
    let text =
        said(source(dir.path(), &Made::new().file("bin/busybox", "").done()).make(Part::System, root.path()));
    assert_eq!(text.matches("(Debian: ").count(), NEEDED.len(), "{text}");
    assert!(text.contains("base: \"oci:PLACE\""));
}

#[test]
fn a_file_that_is_cut_off_is_noticed_wherever() {
    let dir = tempfile::tempdir().unwrap();
    let whole = whole_system().file("z", &"z".repeat(600)).done();
    // In the middle of a file, between two, and in the packed stream.
    let between = whole.len() - 1024 - 1024;
    for cut in [&whole[..700], &whole[..between]] {
        let root = tempfile::tempdir().unwrap();
        let text = said(source(dir.path(), cut).make(Part::System, root.path()));
        assert!(text.contains("ends too early"), "{text}");
    }
    let packed = zstd::encode_all(whole.as_slice(), 1).unwrap();
    let root = tempfile::tempdir().unwrap();
    let text = said(source(dir.path(), &packed[..packed.len() - 7]).make(Part::System, root.path()));
    assert!(text.contains("ends too early"), "{text}");
}

#[test]
fn what_the_image_has_of_its_own_is_not_taken_from_a_machine() {
    let dir = tempfile::tempdir().unwrap();
    let status = "Package: linux-image-6.12-amd64\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n\n\
                  Package: bash\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n";
    let made = whole_system()
        .symlink("lib", "usr/lib")
        .file("lib/modules/6.12-amd64/kernel/a.ko", "")
        .symlink("usr/lib/genpack", dir.path().to_str().unwrap())
        .file("var/lib/dpkg/status", status);
    let source = source(dir.path(), &made.done());
    let root = tempfile::tempdir().unwrap();
    source.make(Part::System, root.path()).unwrap();
    for folder in REPLACED {
        assert!(
            fs::symlink_metadata(root.path().join(folder)).is_err(),
            "{folder}"
        );
    }
    assert!(dir.path().is_dir());
    let names: Vec<_> = source.installed(root.path()).unwrap();
    assert_eq!(
        names.iter().map(|package| &package.name).collect::<Vec<_>>(),
        ["bash"]
    );
}

#[test]
fn where_genpack_writes_the_system_has_no_links() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |made: Made| {
        let root = tempfile::tempdir().unwrap();
        said(source(dir.path(), &made.done()).make(Part::System, root.path()))
    };
    let text = refused(whole_system().symlink("tmp", "/var/tmp"));
    assert!(
        text.contains("root.tar: /tmp of the system in it is no folder"),
        "{text}"
    );
    let text = refused(whole_system().symlink("etc/passwd", "/etc/passwd"));
    assert!(
        text.contains("/etc/passwd of the system in it is no file"),
        "{text}"
    );
    let text = refused(whole_system().folder("lib").file("lib/ld.so", ""));
    assert!(
        text.contains("/lib of the system in it is a folder") && text.contains("usrmerge"),
        "{text}"
    );
}
