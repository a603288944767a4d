//! Which of a kernel's modules go into the initramfs, and in which order they can be loaded.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use genpack_spec::modules::Module;

use super::modinfo::{ModInfo, canonical};

/// Where depmod says which files there are.
const INDEX: &str = "modules.dep";

/// The modules to begin with; what they depend on comes along.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Modules that must be there, or built into the kernel.
    pub required: Vec<String>,
    /// Modules that some kernels don't have.
    pub optional: Vec<String>,
}

/// A module ready to be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelModule {
    /// Its line of the index.
    pub entry: Module,
    /// The uncompressed file.
    pub data: Vec<u8>,
}

/// Collects the wanted modules and all that they depend on from a kernel's module folder, which depmod has been in, in an order in
/// which each comes after what it depends on.
///
/// # Errors
/// When a required module, or one that another depends on, is neither there nor built in; the error names both.
pub fn collect(folder: &Path, wanted: &Wanted) -> Result<Vec<KernelModule>> {
    let mut collector = Collector {
        files: module_files(folder)?,
        built_in: built_in(folder),
        aliases: plain_aliases(folder),
        state: BTreeMap::new(),
        ordered: Vec::new(),
    };
    for name in &wanted.required {
        if !collector.add(&canonical(name))? {
            bail!("this kernel ({}) has no module {name}", folder.display());
        }
    }
    for name in &wanted.optional {
        collector.add(&canonical(name))?;
    }
    Ok(collector.ordered)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Visiting,
    Done,
}

struct Collector {
    files: BTreeMap<String, PathBuf>,
    built_in: BTreeSet<String>,
    /// Modules by names other than their own, in alphabetical order.
    aliases: BTreeMap<String, BTreeSet<String>>,
    state: BTreeMap<String, State>,
    ordered: Vec<KernelModule>,
}

impl Collector {
    /// Adds a module after those that it depends on. Returns false when this kernel does not have it.
    fn add(&mut self, name: &str) -> Result<bool> {
        if self.built_in.contains(name) {
            return Ok(true);
        }
        match self.state.get(name) {
            Some(State::Done) => return Ok(true),
            Some(State::Visiting) => bail!("the module {name} depends on itself"),
            None => {}
        }
        let Some(path) = self.files.get(name).cloned() else {
            return Ok(false);
        };
        self.state.insert(name.to_string(), State::Visiting);
        let data = read_module(&path).with_context(|| format!("reading {}", path.display()))?;
        let info = ModInfo::of(&data).with_context(|| format!("reading {}", path.display()))?;
        let mut depends = Vec::new();
        for dependency in &info.depends {
            if !self.add(dependency)? {
                bail!("the module {name} needs {dependency}, which this kernel does not have");
            }
            depends.push(dependency.clone());
        }
        let soft_depends: Vec<_> = info
            .soft_depends
            .iter()
            .flat_map(|name| self.called(name))
            .collect();
        for dependency in soft_depends {
            if self.state.get(&dependency) != Some(&State::Visiting) && self.add(&dependency)? {
                depends.push(dependency);
            }
        }
        depends.retain(|dependency| !self.built_in.contains(dependency));
        self.state.insert(name.to_string(), State::Done);
        let entry = Module {
            name: name.to_string(),
            depends,
            aliases: info.aliases,
        };
        self.ordered.push(KernelModule { entry, data });
        Ok(true)
    }
}

impl Collector {
    /// Returns the modules that a soft dependency means: one of that name, or else all with that alias, such as the
    /// ways to compute a checksum.
    fn called(&self, name: &str) -> BTreeSet<String> {
        match self.aliases.get(name) {
            Some(modules) if !self.files.contains_key(name) => modules.clone(),
            _ => BTreeSet::from([name.to_string()]),
        }
    }
}

/// Returns every module's file by its canonical name, as depmod(8) has found it: of several modules with one name only it knows
/// which counts (depmod.d(5)). One outside of the folder is none of this kernel's.
fn module_files(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let index = folder.join(INDEX);
    let text = fs::read_to_string(&index)
        .with_context(|| format!("reading {}, which depmod makes", index.display()))?;
    let file = |line: &str| {
        // `kernel/fs/fat/vfat.ko.xz: kernel/fs/fat/fat.ko.xz` (modules.dep(5))
        let path = Path::new(line.split_once(':')?.0);
        let (stem, _) = path.file_name()?.to_str()?.split_once(".ko")?;
        path.is_relative().then(|| (canonical(stem), folder.join(path)))
    };
    Ok(text.lines().filter_map(file).collect())
}

/// Returns the names of what would be modules in another kernel (kernel: `Documentation/kbuild/kbuild.rst`,
/// `modules.builtin`).
fn built_in(folder: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(folder.join("modules.builtin")).unwrap_or_default();
    let stem = |line: &str| {
        Some(canonical(
            Path::new(line).file_name()?.to_str()?.strip_suffix(".ko")?,
        ))
    };
    text.lines().filter_map(stem).collect()
}

/// Reads the aliases that are names rather than patterns of devices from what depmod(8) made; none when it did not run.
fn plain_aliases(folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(folder.join("modules.alias")).unwrap_or_default();
    let mut aliases: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for line in text.lines() {
        if let ["alias", alias, module] = line.split(' ').collect::<Vec<_>>()[..]
            && !alias.contains([':', '*'])
        {
            aliases
                .entry(canonical(alias))
                .or_default()
                .insert(canonical(module));
        }
    }
    aliases
}

fn read_module(path: &Path) -> Result<Vec<u8>> {
    let raw = fs::read(path)?;
    Ok(match path.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => liblzma::decode_all(raw.as_slice())?,
        Some("zst") => zstd::decode_all(raw.as_slice())?,
        _ => raw,
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Makes a module as the kernel's build would: an object file with a `.modinfo` section.
    fn module(folder: &Path, file: &str, modinfo: &str) {
        let source = folder.join("source.s");
        let object = folder.join(file.split_once(".ko").unwrap().0.to_string() + ".ko");
        let bytes: Vec<_> = modinfo
            .split('|')
            .map(|entry| format!(".asciz \"{entry}\""))
            .collect();
        fs::write(
            &source,
            format!(".section .modinfo,\"a\"\n{}\n", bytes.join("\n")),
        )
        .unwrap();
        let made = Command::new("as")
            .arg("-o")
            .arg(&object)
            .arg(&source)
            .status()
            .expect("as of binutils");
        assert!(made.success());
        fs::remove_file(&source).unwrap();
        let compressor = match file.rsplit_once('.') {
            Some((_, "xz")) => Some("xz"),
            Some((_, "zst")) => Some("zstd --quiet --rm"),
            _ => None,
        };
        if let Some(compressor) = compressor {
            let command = format!("{compressor} {}", object.display());
            assert!(
                Command::new("sh")
                    .arg("-c")
                    .arg(command)
                    .status()
                    .unwrap()
                    .success()
            );
        }
    }

    fn index(folder: &Path, files: &[&str]) {
        let lines = files.iter().map(|file| format!("{file}:\n"));
        fs::write(folder.join(INDEX), lines.collect::<String>()).unwrap();
    }

    fn names(folder: &Path, required: &[&str], optional: &[&str]) -> Result<Vec<String>> {
        let strings = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        let wanted = Wanted {
            required: strings(required),
            optional: strings(optional),
        };
        Ok(collect(folder, &wanted)?
            .into_iter()
            .map(|m| m.entry.name)
            .collect())
    }

    #[test]
    fn dependencies_come_first_whatever_the_compression() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path();
        fs::create_dir_all(folder.join("kernel/fs")).unwrap();
        module(folder, "virtio.ko", "name=virtio");
        module(folder, "virtio-ring.ko.xz", "depends=virtio");
        module(
            folder,
            "virtio_blk.ko.zst",
            "depends=virtio_ring,virtio|alias=virtio:d2v*|softdep=pre: extra gone some-sum",
        );
        module(&folder.join("kernel/fs"), "extra.ko", "depends=");
        module(folder, "sum_fast.ko", "alias=some-sum");
        fs::write(
            folder.join("modules.alias"),
            "# depmod's\nalias some-sum sum-fast\nalias virtio:d2v* virtio_blk\n",
        )
        .unwrap();
        fs::write(folder.join("modules.builtin"), "kernel/fs/ext4.ko\n").unwrap();
        let files = [
            "virtio.ko",
            "virtio-ring.ko.xz",
            "virtio_blk.ko.zst",
            "kernel/fs/extra.ko",
            "sum_fast.ko",
        ];
        index(folder, &files);

        assert_eq!(
            names(folder, &["virtio-blk"], &["nvme"]).unwrap(),
            ["virtio", "virtio_ring", "extra", "sum_fast", "virtio_blk"]
        );
        assert_eq!(names(folder, &["ext4"], &[]).unwrap(), Vec::<String>::new());
        let error = names(folder, &["nvme"], &[]).unwrap_err().to_string();
        assert!(error.ends_with("has no module nvme"), "{error}");

        index(folder, &files[1..]);
        let error = names(folder, &["virtio_blk"], &[]).unwrap_err().to_string();
        assert_eq!(
            error,
            "the module virtio_ring needs virtio, which this kernel does not have"
        );
    }

    /// depmod itself chooses.
    #[test]
    fn of_two_modules_with_one_name_the_one_that_counts_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, config) = (dir.path().join("lib/modules/6.1"), dir.path().join("depmod.d"));
        fs::create_dir(&config).unwrap();
        for (place, alias) in [
            ("updates", "ours"),
            ("kernel/net", "theirs"),
            ("extra", "of-others"),
        ] {
            fs::create_dir_all(folder.join(place)).unwrap();
            module(&folder.join(place), "net.ko", &format!("alias={alias}"));
        }
        let chosen = |order: &str| {
            fs::write(config.join("order.conf"), format!("search {order}\n")).unwrap();
            let depmod = Command::new("/usr/sbin/depmod")
                .arg("--config")
                .arg(&config)
                .arg("--basedir")
                .arg(dir.path())
                .arg("6.1")
                .output()
                .unwrap();
            assert!(depmod.status.success(), "{depmod:?}");
            let wanted = Wanted {
                required: vec!["net".into()],
                ..Wanted::default()
            };
            collect(&folder, &wanted).unwrap()[0].entry.aliases.join(" ")
        };
        assert_eq!(chosen("updates extra built-in"), "ours");
        assert_eq!(chosen("extra updates built-in"), "of-others");
        assert_eq!(chosen("built-in extra updates"), "theirs");
    }
}
