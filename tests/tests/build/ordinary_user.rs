//! Building without root.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use genpack_tests::genpack;

use crate::site::{OWN_FILE, Running, Site, quick, tiny_image};

/// A user without a range of user numbers.
pub const NOBODY: u32 = 65534;
/// A user that exists only in the mount namespaces of these tests.
const BUILDER: u32 = 64001;

/// Returns `command`, which runs genpack, as one that a user runs; genpack is installed where everyone can read it.
pub fn as_user(site: &Site, user: u32, command: &Command) -> Command {
    let prefix = genpack().ancestors().nth(2).unwrap().to_path_buf();
    let installed = site.path("installed");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(&prefix)
        .arg(&installed)
        .status()
        .unwrap();
    assert!(copied.success());
    let user = user.to_string();
    let mut with_user = Command::new("setpriv");
    with_user.args(["--reuid", &user, "--regid", &user, "--clear-groups"]);
    with_user
        .arg(installed.join("bin/genpack"))
        .args(command.get_args());
    with_user.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    // As login(1) sets it on Debian.
    with_user.env("PATH", "/usr/local/bin:/usr/bin:/bin");
    with_user
}

/// Lets the command see a user with a range of user numbers of its own, without making one on this machine.
fn with_builder(site: &Site, command: &Command) -> Command {
    for (file, line) in [
        (
            "passwd",
            format!("builder:x:{BUILDER}:{BUILDER}::/nonexistent:/bin/sh\n"),
        ),
        ("group", format!("builder:x:{BUILDER}:\n")),
        ("subuid", "builder:6400000:65536\n".to_string()),
        ("subgid", "builder:6400000:65536\n".to_string()),
    ] {
        let known = fs::read_to_string(Path::new("/etc").join(file)).unwrap_or_default();
        fs::write(site.path(file), known + &line).unwrap();
    }
    let script = "for file in passwd group subuid subgid; do\n\
                  mount --bind \"$1/$file\" \"/etc/$file\"\n\
                  done\nshift\nexec \"$@\"";
    let mut with_files = Command::new("unshare");
    with_files
        .args(["--mount", "sh", "-e", "-c", script, "sh"])
        .arg(site.path(""));
    with_files.arg(command.get_program()).args(command.get_args());
    with_files.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    with_files
}

pub fn system_img(image: &Path, folder: &Path) -> PathBuf {
    let path = folder.join("system.img");
    let mut copy = Command::new("mcopy");
    copy.arg("-i")
        .arg(format!("{}@@1M", image.display()))
        .arg("::/boot/a/system.img")
        .arg(&path);
    assert!(copy.status().unwrap().success());
    path
}

pub fn listing(system: &Path) -> String {
    let list = Command::new("unsquashfs")
        .arg("-lln")
        .arg(system)
        .output()
        .unwrap();
    assert!(list.status.success());
    String::from_utf8(list.stdout).unwrap()
}

#[test]
fn an_ordinary_users_image_is_the_same_as_roots() {
    let site = Site::new(&quick());
    fs::create_dir(site.path("cache")).unwrap();
    for folder in ["tmp", "out", "cache"] {
        chown(site.path(folder), Some(BUILDER), Some(BUILDER)).unwrap();
    }
    let mut build = site.build();
    build.env("XDG_CACHE_HOME", site.path("cache"));
    let build = with_builder(&site, &as_user(&site, BUILDER, &build));
    let said = Running::start(build).finish();
    said.assert(0, &[]);
    site.assert_clean();

    let (root, user) = (site.path("root"), site.path("user"));
    let systems = [(tiny_image(), &root), (&site.image(), &user)].map(|(image, folder)| {
        fs::create_dir(folder).unwrap();
        system_img(image, folder)
    });
    let lists = systems.each_ref().map(|system| listing(system));
    for beginning in ["-rwsr-xr-x 0/0 ", "-rw-r----- 0/42 "] {
        assert!(
            lists[1].lines().any(|line| line.starts_with(beginning)),
            "{}",
            lists[1]
        );
    }
    assert!(
        lists[1].contains(OWN_FILE) && !lists[1].contains("squashfs-root/usr/share/man/man"),
        "{}",
        lists[1]
    );
    assert_eq!(lists[0], lists[1]);
    let [by_root, by_user] = systems.each_ref().map(|system| fs::read(system).unwrap());
    assert!(
        by_root == by_user,
        "names, owners and sizes are the same, and yet the images differ"
    );

    // One comes from a package, one from a setup command.
    for program in ["usr/bin/fping", "usr/bin/env"] {
        let unpacked = user.join(program.replace('/', "-"));
        let mut unpack = Command::new("unsquashfs");
        unpack
            .arg("-no-progress")
            .arg("-dest")
            .arg(&unpacked)
            .arg(&systems[1])
            .arg(program);
        assert!(unpack.output().unwrap().status.success());
        let capability = xattr::get(unpacked.join(program), "security.capability")
            .unwrap()
            .unwrap();
        // VFS_CAP_REVISION_2 with the effective bit, of linux/capability.h. Revision 3 would hold only in the
        // namespace of the user who built.
        assert_eq!(capability[..4], [1, 0, 0, 2], "{program}");
    }
}

#[test]
fn a_user_without_a_range_of_numbers_is_told_how_to_get_one() {
    let site = Site::new(&quick());
    chown(site.path("tmp"), Some(NOBODY), Some(NOBODY)).unwrap();
    chown(site.path("out"), Some(NOBODY), Some(NOBODY)).unwrap();
    let said = Running::start(as_user(&site, NOBODY, &site.build())).finish();
    said.assert(
        1,
        &[
            "building without root needs a range of user numbers for nobody in /etc/subuid",
            "sudo usermod --add-subuids ",
            " nobody",
        ],
    );
    site.assert_untouched();
}
