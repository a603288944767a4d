//! What becomes of the kernel's modules: a place in the system with depmod's index, and the initramfs with those that a start
//! needs. Both are kept, since reading all modules takes longer than most changes of a developer.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use genpack_spec::layout;
use genpack_spec::layout::card::INITRAMFS;

use super::Request;
use super::keys::{self, Inputs, Keys};
use super::parts::Parts;
use crate::blueprint::InputError;
use crate::cache::Kind;
use crate::initramfs;
use crate::progress::Stage;
use crate::source::{KernelFiles, Part};
use crate::tools::Tools;

/// Raised when the way in which the index and the initramfs are made changes.
const FORMAT: u32 = 2;
/// Where the system has modules, by release.
const MODULES: &str = "usr/lib/modules";
/// Where a system tells depmod which of two modules counts (depmod.d(5)); what stands first wins.
const DEPMOD_FOLDERS: [&str; 3] = ["etc/depmod.d", "usr/local/lib/depmod.d", "usr/lib/depmod.d"];
/// The folder of a kept entry with the files that depmod made.
const INDEX: &str = "index";

/// Moves the kernel's modules into the tree at `root`, with their index, and makes the initramfs. Returns where it is.
pub fn install(
    request: &Request,
    parts: &Parts,
    keys: &Keys,
    kernel: &KernelFiles,
    tools: &Tools,
    root: &Path,
    stage: &Stage,
) -> Result<PathBuf> {
    let modules = root.join(MODULES).join(&kernel.info.release);
    // Modules that the developer brings belong to this image only.
    let has_own = modules.symlink_metadata().is_ok();
    move_modules(&kernel.modules, &modules)?;
    let mut wanted = initramfs::Wanted {
        required: request.profile.kernel.initramfs_modules.clone(),
        optional: request.profile.kernel.optional_initramfs_modules.clone(),
    };
    // An image without a data partition need not load it at every start.
    if request.blueprint.persist.is_some() {
        wanted.required.push(layout::DATA_FILE_SYSTEM.into());
    }
    let init = request.dirs.init(request.arch.genpack);
    let packaged = files_of(&modules)?;
    let make = |output: &Path| -> Result<()> {
        index(tools, root, &kernel.info.release)?;
        let modules = initramfs::collect(&modules, &wanted)?;
        initramfs::write(output, &init, &modules, keys.epoch)
    };
    let output = kernel.vmlinuz.with_file_name(INITRAMFS);
    if has_own {
        make(&output)?;
        return Ok(output);
    }
    let mut inputs = Inputs::default();
    inputs.add("format", &FORMAT)?;
    inputs.add("kernel", &parts.key(Part::Kernel))?;
    inputs.add("tools", &parts.key(Part::Tools))?;
    inputs.add("init", &keys::of_file(&init)?)?;
    inputs.add("modules", &(&wanted.required, &wanted.optional))?;
    inputs.add("epoch", &keys.epoch)?;
    inputs.add("program", &keys.program)?;
    for folder in DEPMOD_FOLDERS {
        inputs.add(folder, &keys::of_folder(&root.join(folder))?)?;
    }
    let key = inputs.name();
    if let Some(kept) = request.cache.find(Kind::Initramfs, &key) {
        stage.note("from the cache");
        for (index, _) in files_of(&kept.join(INDEX))? {
            copy(&index, &modules)?;
        }
        fs::copy(kept.join(INITRAMFS), &output).context("copying the initramfs")?;
        return Ok(output);
    }
    make(&output)?;
    let draft = request.cache.draft()?;
    let folder = draft.path().join("initramfs");
    fs::create_dir_all(folder.join(INDEX))?;
    // The package's own files stay out: a copy of them would be younger than they are.
    for (file, _) in files_of(&modules)?.difference(&packaged) {
        copy(file, &folder.join(INDEX))?;
    }
    fs::copy(&output, folder.join(INITRAMFS)).context("copying the initramfs")?;
    request.cache.keep(Kind::Initramfs, &key, &folder)?;
    Ok(output)
}

/// Moves what is in the folder `from` into `to`, beside modules that are there already.
fn move_modules(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("making {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("reading {}", from.display()))? {
        let entry = entry?;
        let place = to.join(entry.file_name());
        if entry.file_type()?.is_dir() && place.symlink_metadata().is_ok() {
            let release = to.file_name().unwrap_or_default().display();
            bail!(InputError::plain(format!(
                "/{MODULES}/{release}/{} is the kernel's own folder; modules of yours belong into \
                 /{MODULES}/{release}/updates",
                entry.file_name().display()
            )));
        }
        fs::rename(entry.path(), place).context("moving the kernel's modules into the tree")?;
    }
    Ok(())
}

/// Writes the index of modules by what they drive and need (depmod(8)), as the system at `root` wants it and not this machine.
fn index(tools: &Tools, root: &Path, release: &str) -> Result<()> {
    let empty = tempfile::tempdir().context("making a folder for depmod")?;
    let there = DEPMOD_FOLDERS.map(|folder| root.join(folder));
    let mut folders: Vec<_> = there
        .iter()
        .map(PathBuf::as_path)
        .filter(|f| f.is_dir())
        .collect();
    if folders.is_empty() {
        folders.push(empty.path());
    }
    tools.run("depmod", |depmod| {
        for folder in folders {
            depmod.arg("--config").arg(folder);
        }
        depmod.arg("--basedir").arg(root).arg(release)
    })
}

/// Returns the files that stand directly in a folder of modules, each with the moment of its last change: the index, and what
/// it is made of.
fn files_of(folder: &Path) -> Result<BTreeSet<(PathBuf, SystemTime)>> {
    let mut files = BTreeSet::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            files.insert((entry.path(), metadata.modified()?));
        }
    }
    Ok(files)
}

fn copy(file: &Path, folder: &Path) -> Result<()> {
    let place = folder.join(file.file_name().unwrap_or_default());
    fs::copy(file, place).with_context(|| format!("copying {}", file.display()))?;
    Ok(())
}
