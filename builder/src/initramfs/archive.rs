//! The archive that the kernel unpacks: cpio in its "newc" form, compressed with zstd
//! (kernel: `Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use cpio::newc::{Builder, ModeFileType, trailer};
use genpack_spec::layout;
use genpack_spec::modules::Index;

use super::KernelModule;

/// The kernel's decoder takes any level; this one costs a second for what is unpacked at every boot.
const ZSTD_LEVEL: i32 = 19;
/// Console and null device by major and minor number (kernel: `Documentation/admin-guide/devices.txt`). Without both
/// a Rust program gets no standard streams and ends before `main`.
const DEVICES: [(&str, u32, u32); 2] = [("dev/console", 5, 1), ("dev/null", 1, 3)];

/// Writes an initramfs with `init` as PID 1. The same inputs give the same bytes.
pub fn write(output: &Path, init: &Path, modules: &[KernelModule], epoch: u32) -> Result<()> {
    let program = fs::read(init).with_context(|| format!("reading {}", init.display()))?;
    let writing = || format!("writing {}", output.display());
    let file = File::create(output).with_context(writing)?;
    let mut archive = Archive {
        out: zstd::Encoder::new(file, ZSTD_LEVEL)?,
        inode: 0,
        epoch,
    };
    archive.folder("dev").with_context(writing)?;
    for (name, major, minor) in DEVICES {
        archive.device(name, major, minor).with_context(writing)?;
    }
    archive.file("init", 0o755, &program).with_context(writing)?;
    let index = Index {
        modules: modules.iter().map(|module| module.entry.clone()).collect(),
    };
    archive
        .folder(inside(layout::INITRAMFS_MODULES_DIR))
        .with_context(writing)?;
    archive
        .file(
            inside(layout::INITRAMFS_MODULE_INDEX),
            0o644,
            index.to_text().as_bytes(),
        )
        .with_context(writing)?;
    for module in modules {
        let name = format!(
            "{}/{}.ko",
            inside(layout::INITRAMFS_MODULES_DIR),
            module.entry.name
        );
        archive.file(&name, 0o644, &module.data).with_context(writing)?;
    }
    archive.finish().with_context(writing)
}

/// Names in the archive are relative to the initramfs's root.
fn inside(path: &str) -> &str {
    path.trim_start_matches('/')
}

struct Archive {
    out: zstd::Encoder<'static, File>,
    inode: u32,
    epoch: u32,
}

impl Archive {
    fn entry(&mut self, name: &str, mode: u32) -> Builder {
        self.inode += 1;
        Builder::new(name).ino(self.inode).mode(mode).mtime(self.epoch)
    }

    fn folder(&mut self, name: &str) -> std::io::Result<()> {
        self.entry(name, 0o755)
            .set_mode_file_type(ModeFileType::Directory)
            .write(&mut self.out, 0)
            .finish()
            .map(drop)
    }

    fn device(&mut self, name: &str, major: u32, minor: u32) -> std::io::Result<()> {
        let entry = self.entry(name, 0o600).set_mode_file_type(ModeFileType::Char);
        entry
            .rdev_major(major)
            .rdev_minor(minor)
            .write(&mut self.out, 0)
            .finish()
            .map(drop)
    }

    fn file(&mut self, name: &str, mode: u32, data: &[u8]) -> std::io::Result<()> {
        let length = u32::try_from(data.len()).map_err(std::io::Error::other)?;
        let entry = self.entry(name, mode).set_mode_file_type(ModeFileType::Regular);
        let mut writer = entry.write(&mut self.out, length);
        writer.write_all(data)?;
        writer.finish().map(drop)
    }

    fn finish(mut self) -> std::io::Result<()> {
        trailer(&mut self.out)?;
        self.out.finish()?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use genpack_spec::modules::Module;

    use super::*;

    #[test]
    fn cpio_lists_what_is_in_it_and_two_are_equal() {
        let dir = tempfile::tempdir().unwrap();
        let init = dir.path().join("init");
        fs::write(&init, "#!program").unwrap();
        let entry = Module {
            name: "virtio".into(),
            depends: vec![],
            aliases: vec!["virtio:*".into()],
        };
        let modules = [KernelModule {
            entry,
            data: b"elf".to_vec(),
        }];
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        write(&a, &init, &modules, 1_000_000_000).unwrap();
        write(&b, &init, &modules, 1_000_000_000).unwrap();
        assert_eq!(fs::read(&a).unwrap(), fs::read(&b).unwrap());

        let listing = Command::new("sh")
            .arg("-c")
            .arg(format!("zstd -dc {} | cpio -tvn", a.display()))
            .output()
            .unwrap();
        let text = String::from_utf8(listing.stdout).unwrap();
        let lines: Vec<Vec<_>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        let names: Vec<_> = lines.iter().filter_map(|line| line.last().copied()).collect();
        assert_eq!(
            names,
            [
                "dev",
                "dev/console",
                "dev/null",
                "init",
                "modules",
                "modules/index",
                "modules/virtio.ko"
            ]
        );
        assert_eq!(lines[1][0], "crw-------");
        assert!(text.contains("5,   1") && text.contains("1,   3"), "{text}");
        assert!(lines[3][0].starts_with("-rwxr-xr-x"), "{text}");
    }
}
