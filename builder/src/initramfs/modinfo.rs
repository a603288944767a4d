//! What a kernel module says about itself.

use anyhow::{Context, Result};
use object::read::elf::ElfFile64;
use object::{Object, ObjectSection};

/// The parts of a module's `.modinfo` section that decide when it is loaded (kernel: `include/linux/module.h`).
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ModInfo {
    /// Modules whose symbols it uses.
    pub depends: Vec<String>,
    /// Modules that should be there before it, though it uses none of their symbols.
    pub soft_depends: Vec<String>,
    /// Patterns of the devices that it drives.
    pub aliases: Vec<String>,
}

impl ModInfo {
    /// Reads the section of a module's ELF file.
    pub fn of(module: &[u8]) -> Result<ModInfo> {
        let file = ElfFile64::<object::Endianness>::parse(module).context("reading it as an ELF file")?;
        let section = file
            .section_by_name(".modinfo")
            .context("it has no .modinfo section")?;
        Ok(ModInfo::parse(section.data()?))
    }

    /// Reads `KEY=VALUE` entries, each ended by zero bytes.
    fn parse(section: &[u8]) -> ModInfo {
        let mut info = ModInfo::default();
        for entry in section.split(|&byte| byte == 0) {
            let entry = String::from_utf8_lossy(entry);
            match entry.split_once('=') {
                Some(("depends", names)) => {
                    info.depends
                        .extend(names.split(',').filter(|name| !name.is_empty()).map(canonical));
                }
                Some(("softdep", text)) => info.soft_depends.extend(before(text)),
                // An alias with a blank would break the index's format; no kernel has one.
                Some(("alias", pattern)) if !pattern.contains(char::is_whitespace) => {
                    info.aliases.push(pattern.to_string());
                }
                _ => {}
            }
        }
        info
    }
}

/// Returns the names after `pre:` of a `softdep` such as `pre: a b post: c`.
fn before(softdep: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut in_pre = false;
    for word in softdep.split_whitespace() {
        match word {
            "pre:" => in_pre = true,
            "post:" => in_pre = false,
            name if in_pre => names.push(canonical(name)),
            _ => {}
        }
    }
    names
}

/// Returns a module's name as `/proc/modules` shows it: files and dependencies may have hyphens for underscores.
pub fn canonical(name: &str) -> String {
    name.replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sections_entries_are_sorted_by_kind() {
        let section = b"license=GPL\0alias=virtio:d00000002v*\0\0depends=virtio-ring,virtio\0\
                        softdep=pre: a-b c post: d\0alias=with blank\0name=virtio_blk\0";
        let want = ModInfo {
            depends: vec!["virtio_ring".into(), "virtio".into()],
            soft_depends: vec!["a_b".into(), "c".into()],
            aliases: vec!["virtio:d00000002v*".into()],
        };
        assert_eq!(ModInfo::parse(section), want);
        assert_eq!(ModInfo::parse(b"depends=\0"), ModInfo::default());
    }
}
