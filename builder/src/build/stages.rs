//! The stages of a build. What they are called and in which order they run is data; each is one short function.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context, Result};
use genpack_spec::image::ImageInfo;
use genpack_spec::layout;
use genpack_spec::layout::card::{INITRAMFS, SYSTEM_IMG, VMLINUZ};

use super::disk::{self, OnCard};
use super::keys::{self, Keys};
use super::manifest::{self, OutputFile};
use super::parts::Parts;
use super::{Request, Workplace, customise, modules, product, too_large};
use crate::blueprint::{BUILD_SCRIPTS_DIR, Base, FILES_DIR, Output};
use crate::cache::Kind;
use crate::disk::LARGEST_FILE;
use crate::lock::{self, Lock};
use crate::packages::contents::Distribution;
use crate::packages::{self, Contents};
use crate::progress::{Progress, Stage};
use crate::sbom::{self, MadeFrom};
use crate::source::{InstalledPackage, KernelFiles, Origin, Part, Source};
use crate::squashfs::Blocks;
use crate::tools::Tools;
use crate::tree::rooted::Rooted;
use crate::tree::scripts;
use crate::{command, sparse, squashfs, tree};

/// The stages in their order, as the developer sees them.
pub fn plan(request: &Request) -> Vec<String> {
    let blueprint = &request.blueprint;
    let mut customise = vec!["genpack's own files".to_string()];
    let files = request.folder.join(FILES_DIR);
    let counted = |count: usize, what: &str| {
        let ending = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {what}{ending}"))
    };
    customise.extend(counted(blueprint.groups.len(), "group"));
    customise.extend(counted(blueprint.users.len(), "user"));
    if files.is_dir() {
        customise.push(format!("{FILES_DIR}/"));
    }
    // What is no script is an error of the stage itself.
    let scripts = scripts::find(&files.join(BUILD_SCRIPTS_DIR)).map_or(0, |scripts| scripts.len());
    customise.extend(counted(scripts, "script"));
    customise.extend(counted(blueprint.setup_commands.len(), "setup command"));
    customise.extend(counted(
        request.profile.services.len() + blueprint.services.len(),
        "service",
    ));
    vec![
        match &blueprint.base {
            base @ Base::Debian { .. } => format!("resolve {} packages of {base}", request.packages.len()),
            base @ Base::Tar { .. } => format!("look at {base}, and resolve the kernel's package"),
            base @ Base::Oci { .. } => {
                format!("look at {base}, and resolve {} packages", request.packages.len())
            }
        },
        "fetch what is not here yet".into(),
        "make the trees: system, kernel, tools".into(),
        format!("customise: {}", customise.join(", ")),
        "make the initramfs".into(),
        format!("pack {SYSTEM_IMG} ({})", blueprint.compression),
        "write the disk image".into(),
    ]
}

/// Builds inside the sandbox, in the empty folders of `place`, and leaves what it makes in the empty folder `products`.
pub fn run(request: &Request, place: &Workplace, products: &Path) -> Result<()> {
    let begun = SystemTime::now();
    let in_use = request.cache.enter()?;
    let titles = plan(request);
    let mut titles = titles.iter();
    let mut progress = Progress::new(titles.len());
    let mut next = || titles.next().map_or("", String::as_str);

    let source = progress.stage(next(), |stage| resolve(request, stage))?;
    let source = source.as_ref();
    let epoch = request.epoch.unwrap_or(source.date());
    let parts = Parts {
        cache: &request.cache,
        source,
        language: request.blueprint.language,
    };
    let keys = Keys::of(request, &parts, epoch)?;
    if let Some(kept) = request.cache.find(Kind::Images, &keys.image) {
        sparse::copy_files(&kept, products)?;
        eprintln!(
            "nothing changed since the last build: {:.1} s",
            progress.elapsed().as_secs_f64()
        );
        return Ok(());
    }

    let mut wanted = vec![Part::System, Part::Kernel, Part::Tools];
    if request.has_build_tree() {
        wanted.push(Part::Build);
    }
    if source.has_application() {
        wanted.push(Part::Application);
    }
    let missing = parts.missing(&wanted);
    progress.stage(next(), |stage| source.fetch(&missing, stage))?;
    let root = place.trees().join("tree");
    let (kernel, tools) = progress.stage(next(), |stage| {
        if missing.is_empty() {
            stage.note("from the cache");
        }
        parts.make(&missing, place.trees())?;
        parts.unpack(Part::System, &root)?;
        Ok((
            KernelFiles::read(&parts.unpack(Part::Kernel, &place.trees().join("kernel"))?)?,
            Tools::at(&parts.unpack(Part::Tools, &place.trees().join("tools"))?),
        ))
    })?;
    let installed = source.installed(&root)?;

    let info = ImageInfo {
        name: request.blueprint.name.to_string(),
        profile: request.profile.name.clone(),
        base: request.blueprint.base.to_string(),
        kernel: kernel.info.release.clone(),
        epoch: u64::from(epoch),
        language: request.blueprint.language,
        settings_from: request.blueprint.settings_from,
        persist: request.blueprint.persist.clone(),
    };
    let (facts, mut contents) = progress.stage(next(), |stage| {
        customise::customise(request, &parts, &keys, &root, place, stage)?;
        tree::check_persist(&root, info.persist.as_ref())?;
        tree::bundle_checkers(&root, info.persist.is_some())?;
        let contents = remove_unneeded(request, &root, &installed)?;
        tree::finish(&root, &info)?;
        let facts = tree::collect_facts(&root, &kernel.modules, &request.blueprint)?;
        Ok((facts, contents))
    })?;
    let initramfs = progress.stage(next(), |stage| {
        modules::install(request, &parts, &keys, &kernel, &tools, &root, stage)
    })?;
    let system = place.files().join(SYSTEM_IMG);
    progress.stage(next(), |stage| {
        add_kernel(&kernel, &initramfs, &root)?;
        describe(
            request,
            &root,
            &kernel,
            &info,
            &mut contents,
            source.origin(),
            products,
        )?;
        tree::settle_times(&root, begun, epoch)?;
        pack(request, &keys, &root, &system, stage).map_err(|error| {
            too_large::explain(
                error,
                &request.blueprint.compression.to_string(),
                &root,
                &contents,
            )
        })
    })?;
    let on_card = OnCard {
        vmlinuz: kernel.vmlinuz.clone(),
        initramfs,
        system,
        facts,
    };
    let files = progress.stage(next(), |stage| {
        let image = products.join(product::IMAGE);
        let mut files = disk::write(request, &on_card, &tools, epoch, &image, stage)?;
        files.extend(other_outputs(request, &on_card.system, products)?);
        Ok(files)
    })?;
    let sizes: Vec<_> = files.iter().map(OutputFile::summary).collect();
    manifest::write(
        &products.join(product::MANIFEST),
        request,
        &info,
        source.origin(),
        &kernel.info.package,
        &contents.installed(),
        files,
    )?;
    keys.check(request, &parts)?;
    keep(request, &keys, products)?;
    drop(in_use);
    request.cache.trim();
    eprintln!(
        "built in {:.1} s: {}",
        progress.elapsed().as_secs_f64(),
        sizes.join(", ")
    );
    Ok(())
}

/// Chooses versions, and writes those that are new into the lock file.
fn resolve(request: &Request, stage: &Stage) -> Result<Box<dyn Source>> {
    let _held = lock::hold(&request.folder, || {
        stage.note("waiting for another build of this blueprint to choose its versions");
    })?;
    let mut lock = Lock::load(&request.folder)?;
    if request.locked {
        lock.freeze();
    }
    let mut source = request.source();
    source.pin(&request.wanted(), &mut lock, stage)?;
    if let Err(error) = lock.save() {
        stage.note(&format!(
            "warning: the versions chosen for this image are not kept, and the next build may choose others: {error:#}"
        ));
    }
    Ok(source)
}

/// Takes out what only installing and building needed.
fn remove_unneeded(request: &Request, root: &Path, installed: &[InstalledPackage]) -> Result<Contents> {
    let files = request.folder.join(FILES_DIR);
    // A system that came whole has what its maker wanted.
    let asked = match &request.blueprint.base {
        Base::Tar { .. } => installed.iter().map(|package| package.name.clone()).collect(),
        Base::Debian { .. } | Base::Oci { .. } => request.packages.clone(),
    };
    let wanted = packages::Wanted {
        packages: &asked,
        files: files.is_dir().then_some(files.as_path()),
    };
    let mut contents = packages::remove_unneeded(root, &wanted)?;
    contents.add_hashes(installed);
    Ok(contents)
}

/// Leaves in the tree, and beside the image, what is in it.
fn describe(
    request: &Request,
    root: &Path,
    kernel: &KernelFiles,
    info: &ImageInfo,
    contents: &mut Contents,
    origin: Option<Origin>,
    products: &Path,
) -> Result<()> {
    let base = &request.blueprint.base;
    // Whatever distribution a tar file is of, its kernel is Debian's.
    let foreign = matches!(base, Base::Tar { .. }).then(|| Distribution::debian(Base::DEFAULT_SUITE));
    contents.add_kernel(root, kernel, foreign)?;
    contents.add_own("genpack-init", &request.dirs.init(request.arch.genpack))?;
    contents.add_own(
        "genpack-config-agent",
        &request.dirs.config_agent(request.arch.genpack),
    )?;
    contents.add_files(&request.dirs.rootfs_overlay(), &request.folder.join(FILES_DIR))?;
    contents.write(root)?;
    let made_from = origin.map(|origin| MadeFrom {
        origin,
        is_container: matches!(base, Base::Oci { .. }),
    });
    sbom::write(
        root,
        info,
        contents,
        made_from.as_ref(),
        &products.join(product::CYCLONEDX),
        &products.join(product::SPDX),
    )
}

/// The system carries its own kernel and initramfs, so that an update needs nothing but the system.
fn add_kernel(kernel: &KernelFiles, initramfs: &Path, root: &Path) -> Result<()> {
    let (root, folder) = (Rooted::open(root)?, Path::new(layout::BOOT_FILES_DIR));
    let copy = |file: &Path, name: &str| root.copy(File::open(file)?, &folder.join(name));
    copy(&kernel.vmlinuz, VMLINUZ).context("copying the kernel")?;
    copy(initramfs, INITRAMFS).context("copying the initramfs")
}

fn pack(request: &Request, keys: &Keys, root: &Path, output: &Path, stage: &Stage) -> Result<()> {
    let draft = request.cache.draft()?;
    let store = draft.path().join("blocks");
    // Blocks of one compression do not serve another.
    let (format, name) = keys::blocks(request, keys);
    let blocks = Arc::new(Blocks::open(&earlier_blocks(request, &format), &store)?);
    let options = squashfs::Options {
        compression: request.blueprint.compression.value(),
        epoch: keys.epoch,
        // The earliest moment at which anyone can know: how well the system compresses shows only now.
        limit: LARGEST_FILE,
        exclude: ["dev/*", "proc/*", "run/*", "sys/*", "tmp/*"]
            .map(PathBuf::from)
            .to_vec(),
        blocks: Some(blocks.clone()),
        ..squashfs::Options::default()
    };
    squashfs::pack(root, output, &options, &mut |at| stage.at(at.done, at.total))?;
    let (known, made) = blocks.finish()?;
    if known > 0 {
        stage.note(&format!("{known} blocks from the cache, {made} compressed"));
    }
    request.cache.keep(Kind::Blocks, &name, &store)?;
    Ok(())
}

/// Returns the stores of blocks in `format`, those first that were used last. More than a few would only cost time.
fn earlier_blocks(request: &Request, format: &str) -> Vec<PathBuf> {
    const MOST: usize = 6;
    let entries = request.cache.entries().into_iter().rev();
    entries
        .filter(|entry| entry.kind == Kind::Blocks)
        .map(|entry| entry.path)
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(format))
        })
        .take(MOST)
        .collect()
}

/// Writes what the blueprint asks for beside the disk image, or in its place.
fn other_outputs(request: &Request, system: &Path, products: &Path) -> Result<Vec<OutputFile>> {
    let wants = |output| request.blueprint.outputs.contains(&output);
    let image = products.join(product::IMAGE);
    let mut files = Vec::new();
    if wants(Output::Qcow2) {
        let path = products.join(product::QCOW2);
        let mut convert = Command::new("qemu-img");
        convert
            .args(["convert", "-f", "raw", "-O", "qcow2"])
            .arg(&image)
            .arg(&path);
        command::run(&mut convert)?;
        files.push(OutputFile::of(product::QCOW2, &path)?);
    }
    if wants(Output::System) {
        let path = products.join(product::SYSTEM);
        fs::copy(system, &path).with_context(|| format!("copying {SYSTEM_IMG}"))?;
    }
    if !wants(Output::Image) {
        fs::remove_file(&image).with_context(|| format!("removing {}", image.display()))?;
    }
    Ok(files)
}

/// Keeps the products for the time when nothing has changed.
fn keep(request: &Request, keys: &Keys, products: &Path) -> Result<()> {
    let draft = request.cache.draft()?;
    let folder = draft.path().join("image");
    fs::create_dir(&folder)?;
    sparse::copy_files(products, &folder)?;
    request.cache.keep(Kind::Images, &keys.image, &folder)?;
    Ok(())
}
