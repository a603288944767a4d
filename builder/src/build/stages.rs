//! The stages of a build. What they are called and in which order they run is data; each is one short function.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use genpack_spec::cmdline::Slot;
use genpack_spec::facts::Facts;
use genpack_spec::image::ImageInfo;
use genpack_spec::layout;
use genpack_spec::layout::card::{
    EFI_X86_64, FACTS, GRUB_CFG, INITRAMFS, README_TXT, SYSTEM_IMG, SYSTEM_INI, VMLINUZ, slot_dir,
};
use genpack_spec::{status, system_ini};

use super::card::{data_uuid, grub_cfg, partition_size, volume_id};
use super::manifest::{self, OutputFile};
use super::{ARCH, Request};
use crate::blueprint::FILES_DIR;
use crate::disk::grub::{self, Platform};
use crate::disk::{self, Content, DataPartition, DiskImage};
use crate::progress::{Progress, Stage};
use crate::source::KernelFiles;
use crate::{command, initramfs, squashfs, tree};

/// Where a build leaves what it makes; the caller gives them their final names.
#[derive(Debug, Clone)]
pub struct Outputs {
    /// The disk image.
    pub image: PathBuf,
    /// The manifest.
    pub manifest: PathBuf,
}

/// The stages in their order, as the developer sees them.
pub fn plan(request: &Request) -> Vec<String> {
    let blueprint = &request.blueprint;
    let mut customise = vec!["genpack's own files".to_string()];
    if request.folder.join(FILES_DIR).is_dir() {
        customise.push(format!("{FILES_DIR}/"));
    }
    let counted = |count: usize, what: &str| {
        let ending = if count == 1 { "" } else { "s" };
        (count > 0).then(|| format!("{count} {what}{ending}"))
    };
    customise.extend(counted(blueprint.users.len(), "user"));
    customise.extend(counted(
        request.profile.services.len() + blueprint.services.len(),
        "service",
    ));
    customise.extend(counted(blueprint.setup_commands.len(), "setup command"));
    vec![
        format!(
            "resolve {} packages of {}",
            request.packages.len(),
            blueprint.base
        ),
        "make the tree of files".into(),
        format!("take the kernel out of {}", request.profile.kernel.package),
        "strip what an appliance does not need".into(),
        format!("customise: {}", customise.join(", ")),
        "make the initramfs".into(),
        format!("pack system.img ({})", blueprint.compression),
        "write the disk image".into(),
    ]
}

/// Builds inside the sandbox, in the empty folder `work`.
pub fn run(request: &Request, work: &Path, outputs: &Outputs) -> Result<()> {
    let titles = plan(request);
    let mut titles = titles.iter();
    let mut progress = Progress::new(titles.len());
    let mut next = || titles.next().map_or("", String::as_str);
    let root = work.join("tree");

    let source = progress.stage(next(), |stage| {
        let mut source = request.open_source(stage)?;
        source.resolve(&request.packages, &request.profile.kernel.package, stage)?;
        Ok(source)
    })?;
    progress.stage(next(), |stage| tree::unpack(&source.tree(work, stage)?, &root))?;
    let kernel = progress.stage(next(), |_| {
        source.kernel(&request.profile.kernel.package, &work.join("kernel"))
    })?;
    let packages = source.installed(&root)?;
    // Other builds may use the package lists from here on.
    drop(source);

    let info = ImageInfo {
        name: request.blueprint.name.to_string(),
        profile: request.profile.name.clone(),
        base: request.blueprint.base.to_string(),
        kernel: kernel.release.clone(),
        epoch: u64::from(request.epoch),
        language: request.blueprint.language,
        settings_from: request.blueprint.settings_from,
        persist: request.blueprint.persist.clone(),
    };
    // Before the developer's own files come, so that none of them goes.
    progress.stage(next(), |_| tree::strip(&root))?;
    let facts = progress.stage(next(), |_| {
        customise(request, &root)?;
        tree::check_persist(&root, info.persist.as_ref())?;
        tree::bundle_checkers(&root, info.persist.is_some())?;
        tree::finish(&root, &info)?;
        tree::collect_facts(&root, &kernel.modules, &request.blueprint)
    })?;
    let initramfs = work.join(INITRAMFS);
    progress.stage(next(), |_| make_initramfs(request, &kernel, &root, &initramfs))?;
    let system = work.join(SYSTEM_IMG);
    progress.stage(next(), |stage| {
        add_kernel(&kernel, &initramfs, &root)?;
        pack(request, &root, &system, stage)
    })?;
    let vmlinuz = root
        .join(layout::BOOT_FILES_DIR.trim_start_matches('/'))
        .join(VMLINUZ);
    let parts = Parts {
        vmlinuz,
        initramfs,
        system,
        facts,
    };
    let files = progress.stage(next(), |stage| write_disk(request, &parts, &outputs.image, stage))?;
    let sizes: Vec<_> = files.iter().map(OutputFile::summary).collect();
    manifest::write(
        &outputs.manifest,
        request,
        &info,
        &kernel.package,
        &packages,
        files,
    )?;
    eprintln!(
        "built in {:.1} s: {}",
        progress.elapsed().as_secs_f64(),
        sizes.join(", ")
    );
    Ok(())
}

fn customise(request: &Request, root: &Path) -> Result<()> {
    tree::merge(&request.dirs.rootfs_overlay(), root).context("copying genpack's own files")?;
    let agent = root.join(layout::CONFIG_AGENT.trim_start_matches('/'));
    fs::create_dir_all(agent.parent().unwrap_or(root))?;
    fs::copy(request.dirs.config_agent(ARCH.genpack), &agent).context("copying the config agent")?;
    let files = request.folder.join(FILES_DIR);
    if files.is_dir() {
        tree::merge(&files, root)?;
    }
    tree::customise(root, &request.blueprint, &request.profile)
}

fn make_initramfs(request: &Request, kernel: &KernelFiles, root: &Path, output: &Path) -> Result<()> {
    let modules = root.join("usr/lib/modules").join(&kernel.release);
    fs::create_dir_all(modules.parent().unwrap_or(root))?;
    fs::rename(&kernel.modules, &modules).context("moving the kernel's modules into the tree")?;
    command::run(
        Command::new("depmod")
            .arg("--basedir")
            .arg(root)
            .arg(&kernel.release),
    )?;
    let mut wanted = initramfs::Wanted {
        required: request.profile.kernel.initramfs_modules.clone(),
        optional: request.profile.kernel.optional_initramfs_modules.clone(),
    };
    // An image without a data partition need not load it at every start.
    if request.blueprint.persist.is_some() {
        wanted.required.push(layout::DATA_FILE_SYSTEM.into());
    }
    let modules = initramfs::collect(&modules, &wanted)?;
    initramfs::write(output, &request.dirs.init(ARCH.genpack), &modules, request.epoch)
}

/// The system carries its own kernel and initramfs, so that an update needs nothing but the system.
fn add_kernel(kernel: &KernelFiles, initramfs: &Path, root: &Path) -> Result<()> {
    let folder = root.join(layout::BOOT_FILES_DIR.trim_start_matches('/'));
    fs::create_dir_all(&folder)?;
    fs::copy(&kernel.vmlinuz, folder.join(VMLINUZ)).context("copying the kernel")?;
    fs::copy(initramfs, folder.join(INITRAMFS)).context("copying the initramfs")?;
    Ok(())
}

fn pack(request: &Request, root: &Path, output: &Path, stage: &Stage) -> Result<()> {
    let options = squashfs::Options {
        compression: request.blueprint.compression.value(),
        epoch: request.epoch,
        exclude: ["dev/*", "proc/*", "run/*", "sys/*", "tmp/*"]
            .map(PathBuf::from)
            .to_vec(),
        ..squashfs::Options::default()
    };
    squashfs::pack(root, output, &options, &mut |at| stage.at(at.done, at.total))?;
    Ok(())
}

struct Parts {
    vmlinuz: PathBuf,
    initramfs: PathBuf,
    system: PathBuf,
    facts: Facts,
}

fn write_disk(request: &Request, parts: &Parts, output: &Path, stage: &Stage) -> Result<Vec<OutputFile>> {
    let slot = Slot::A;
    let name = request.blueprint.name.to_string();
    let mut measured = vec![
        OutputFile::of(VMLINUZ, &parts.vmlinuz)?,
        OutputFile::of(INITRAMFS, &parts.initramfs)?,
        OutputFile::of(SYSTEM_IMG, &parts.system)?,
    ];
    let volume_id = volume_id(measured[2].sha256());
    let early = grub::early_config(volume_id);
    let efi = grub::image(Platform::UefiX86_64, &Platform::UefiX86_64.host_modules(), &early)?;
    let cfg = grub_cfg(
        &name,
        &disk::volume_uuid(volume_id),
        slot,
        &request.profile.kernel.parameters,
    );
    let in_slot = |file: &str| format!("{}/{file}", slot_dir(slot));
    let text = |text: String| Content::Bytes(text.into_bytes());
    let image = DiskImage {
        partition_size: partition_size(measured.iter().map(OutputFile::bytes).sum()),
        volume_id,
        volume_label: layout::BOOT_LABEL.into(),
        files: vec![
            (SYSTEM_INI.into(), text(system_ini::template(&parts.facts))),
            (
                README_TXT.into(),
                text(status::readme_txt(&name, request.blueprint.language)),
            ),
            (EFI_X86_64.into(), Content::Bytes(efi)),
            (GRUB_CFG.into(), text(cfg)),
            (in_slot(VMLINUZ), Content::File(parts.vmlinuz.clone())),
            (in_slot(INITRAMFS), Content::File(parts.initramfs.clone())),
            (in_slot(SYSTEM_IMG), Content::File(parts.system.clone())),
            (in_slot(FACTS), Content::Bytes(serde_json::to_vec(&parts.facts)?)),
        ],
        epoch: request.epoch,
        boot: Some(grub::boot_code(&Platform::BiosPc.host_modules(), &early)?),
        disk_signature: volume_id,
        data: request.blueprint.persist.as_ref().map(|_| DataPartition {
            size: request.blueprint.data_size.unwrap_or_default().bytes(),
            uuid: data_uuid(measured[2].sha256()),
            label: layout::DATA_LABEL.into(),
        }),
    };
    disk::write(output, &image, &mut |done, total| stage.at(done, total))?;
    measured.push(OutputFile::of("disk image", output)?);
    Ok(measured)
}
