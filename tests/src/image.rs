//! The image under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Returns the installed `genpack` under test, from the environment variable `GENPACK`, which `make boot-tests` sets.
pub fn genpack() -> PathBuf {
    let path = std::env::var_os("GENPACK").expect("GENPACK names the genpack to test; run: make boot-tests");
    std::path::absolute(path).expect("GENPACK is a path")
}

/// Returns the disk image of `examples/web`, which is built once in each run of the tests.
pub fn example_image() -> &'static Path {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let folder = scratch();
        let image = folder.join("web.img");
        let blueprint = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/web");
        let built = Command::new(genpack())
            .arg("build")
            .arg(blueprint)
            .arg("-o")
            .arg(&image)
            .output();
        let built = built.expect("genpack can be started");
        assert!(
            built.status.success(),
            "genpack build: {}",
            String::from_utf8_lossy(&built.stderr)
        );
        image
    })
}

/// Returns a folder that outlives the tests, for the image and for the logs of machines.
pub fn scratch() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"));
    let folder = target.join("boot-tests");
    std::fs::create_dir_all(&folder).expect("a scratch folder can be made");
    folder
}
