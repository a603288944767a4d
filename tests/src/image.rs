//! The images under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use genpack_qemu::{Card, Firmware};
use genpack_spec::cmdline::Slot;
use genpack_spec::layout::card::{GRUB_CFG, INITRAMFS, VMLINUZ, slot_dir};

/// Returns the installed `genpack` under test, from the environment variable `GENPACK`, which `make boot-tests` sets.
pub fn genpack() -> PathBuf {
    let path = std::env::var_os("GENPACK").expect("GENPACK names the genpack to test; run: make boot-tests");
    std::path::absolute(path).expect("GENPACK is a path")
}

/// Returns the disk image of `examples/web`, which is built once in each run of the tests.
pub fn example_image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| built("../examples/web", "web.img"))
}

/// Returns the disk image of `examples/database`, which is built once in each run of the tests.
pub fn database_image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| built("../examples/database", "database.img"))
}

/// Returns the disk image of `examples/monitor`, which is built once in each run of the tests. The lock file of that build is
/// beside it as `monitor.lock`.
pub fn monitor_image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| built("../examples/monitor", "monitor.img"))
}

/// Returns the disk image of `fixtures/lab`, which is built once in each run of the tests.
pub fn lab_image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| built("fixtures/lab", "lab.img"))
}

/// Returns the disk image of `examples/container`, which is built once in each run of the tests, with the container image in it.
pub fn container_image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let made =
            Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/container/make-image"))
                .output();
        let made = made.expect("examples/container/make-image can be started");
        assert!(
            made.status.success(),
            "make-image: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        built("../examples/container", "container.img")
    })
}

/// Returns how QEMU starts the lab's image without firmware and boot menu, which saves seconds of each of its many boots.
pub fn lab_firmware() -> Firmware {
    static FIRMWARE: OnceLock<Firmware> = OnceLock::new();
    FIRMWARE.get_or_init(|| direct(lab_image(), "lab")).clone()
}

/// Returns the same for the image of `examples/database`.
pub fn database_firmware() -> Firmware {
    static FIRMWARE: OnceLock<Firmware> = OnceLock::new();
    FIRMWARE
        .get_or_init(|| direct(database_image(), "database"))
        .clone()
}

/// Returns the same for the image of `examples/monitor`.
pub fn monitor_firmware() -> Firmware {
    static FIRMWARE: OnceLock<Firmware> = OnceLock::new();
    FIRMWARE
        .get_or_init(|| direct(monitor_image(), "monitor"))
        .clone()
}

/// Returns how QEMU starts an image by itself. Kernel and initramfs are kept under `prefix`.
fn direct(image: &Path, prefix: &str) -> Firmware {
    let card = Card::open(image).expect("the card can be opened");
    let read = |path: &str| card.read(path).expect("the file is on the card");
    let take = |name: &str| {
        let path = scratch().join(format!("{prefix}-{name}"));
        std::fs::write(&path, read(&format!("{}/{name}", slot_dir(Slot::A)))).expect("a copy can be made");
        path
    };
    let menu = String::from_utf8(read(GRUB_CFG)).expect("the boot menu is UTF-8");
    let mut lines = menu.lines().filter_map(|line| line.trim().strip_prefix("linux "));
    let (_, parameters) = lines
        .next()
        .and_then(|line| line.split_once(' '))
        .expect("a kernel's line");
    Firmware::Direct {
        kernel: take(VMLINUZ),
        initrd: Some(take(INITRAMFS)),
        cmdline: parameters.to_string(),
    }
}

/// Builds the blueprint in a folder beside this crate's `src`. The build's lock file is kept beside the image.
fn built(blueprint: &str, name: &str) -> PathBuf {
    let image = scratch().join(name);
    // A copy: the lock file that a build makes is of the day, and not of the project.
    let copy = tempfile::tempdir().expect("a folder can be made");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join(blueprint).join("."))
        .arg(copy.path())
        .status();
    assert!(
        copied.is_ok_and(|status| status.success()),
        "{blueprint} can be copied"
    );
    let built = Command::new(genpack())
        .arg("build")
        .arg(copy.path())
        .arg("-o")
        .arg(&image)
        .output();
    let built = built.expect("genpack can be started");
    assert!(
        built.status.success(),
        "genpack build: {}",
        String::from_utf8_lossy(&built.stderr)
    );
    let lock = copy.path().join("genpack.lock");
    std::fs::copy(lock, image.with_extension("lock")).expect("the build has written a lock file");
    image
}

/// Returns a folder that outlives the tests, for the image and for the logs of machines.
pub fn scratch() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"));
    let folder = target.join("boot-tests");
    std::fs::create_dir_all(&folder).expect("a scratch folder can be made");
    folder
}

/// Returns the folder for the consoles of all machines.
pub fn log_folder() -> PathBuf {
    scratch().join("logs")
}
