//! Finds libsquashfs and links it statically, so that an image does not depend on the libraries where it is built.

use std::process::ExitCode;

/// The pkg-config name under which squashfs-tools-ng 1.x installs its library.
const PACKAGE: &str = "libsquashfs1";

fn main() -> ExitCode {
    println!("cargo:rerun-if-changed=build.rs");
    match link() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The first line is what a person needs; the rest is for the one who digs.
            eprintln!(
                "libsquashfs (squashfs-tools-ng) was not found: install the Debian package libsquashfs-dev\n"
            );
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn link() -> Result<(), pkg_config::Error> {
    // 1.2 is Debian 12's version; nothing older was tried. 2.x changes the interface and has another name.
    let library = pkg_config::Config::new()
        .atleast_version("1.2")
        .statik(true)
        .cargo_metadata(false)
        .probe(PACKAGE)?;
    // pkg-config leaves out the linker's own folders, but rustc looks for static libraries itself.
    println!(
        "cargo:rustc-link-search=native={}",
        pkg_config::get_variable(PACKAGE, "libdir")?
    );
    for path in &library.link_paths {
        println!("cargo:rustc-link-search=native={}", path.display());
    }
    // Its compressors come from crates: other versions of them make other bytes of the same files.
    println!("cargo:rustc-link-lib=static=squashfs");
    for path in &library.include_paths {
        println!("cargo:include={}", path.display());
    }
    Ok(())
}
