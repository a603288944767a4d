//! The disk image: the card with everything on it.

use std::path::{Path, PathBuf};

use anyhow::Result;
use genpack_spec::cmdline::Slot;
use genpack_spec::facts::Facts;
use genpack_spec::layout;
use genpack_spec::layout::card::{
    EFI_X86_64, FACTS, GRUB_CFG, INITRAMFS, README_TXT, SYSTEM_IMG, SYSTEM_INI, VMLINUZ, slot_dir,
};
use genpack_spec::{status, system_ini};

use super::Request;
use super::card::{data_uuid, grub_cfg, partition_size, volume_id};
use super::manifest::OutputFile;
use crate::disk::grub::{self, Platform};
use crate::disk::{self, Content, DataPartition, DiskImage};
use crate::progress::Stage;
use crate::tools::Tools;

/// What goes onto the card.
pub struct OnCard {
    /// The kernel.
    pub vmlinuz: PathBuf,
    /// The initramfs.
    pub initramfs: PathBuf,
    /// The system image.
    pub system: PathBuf,
    /// What the meaning of `system.ini` depends on.
    pub facts: Facts,
}

/// Writes the disk image to `output` and returns the sizes and hashes of what is on it and of itself.
pub fn write(
    request: &Request,
    on_card: &OnCard,
    tools: &Tools,
    epoch: u32,
    output: &Path,
    stage: &Stage,
) -> Result<Vec<OutputFile>> {
    let slot = Slot::A;
    let name = request.blueprint.name.to_string();
    let mut measured = vec![
        OutputFile::of(VMLINUZ, &on_card.vmlinuz)?,
        OutputFile::of(INITRAMFS, &on_card.initramfs)?,
        OutputFile::of(SYSTEM_IMG, &on_card.system)?,
    ];
    let volume_id = volume_id(measured[2].sha256());
    let early = grub::early_config(volume_id);
    let efi = grub::image(Platform::UefiX86_64, tools, &early)?;
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
            (SYSTEM_INI.into(), text(system_ini::template(&on_card.facts))),
            (
                README_TXT.into(),
                text(status::readme_txt(&name, request.blueprint.language)),
            ),
            (EFI_X86_64.into(), Content::Bytes(efi)),
            (GRUB_CFG.into(), text(cfg)),
            (in_slot(VMLINUZ), Content::File(on_card.vmlinuz.clone())),
            (in_slot(INITRAMFS), Content::File(on_card.initramfs.clone())),
            (in_slot(SYSTEM_IMG), Content::File(on_card.system.clone())),
            (
                in_slot(FACTS),
                Content::Bytes(serde_json::to_vec(&on_card.facts)?),
            ),
        ],
        epoch,
        boot: Some(grub::boot_code(tools, &early)?),
        disk_signature: volume_id,
        data: request.blueprint.persist.as_ref().map(|_| DataPartition {
            size: request.blueprint.data_size.unwrap_or_default().bytes(),
            uuid: data_uuid(measured[2].sha256()),
            label: layout::DATA_LABEL.into(),
            tools: tools.clone(),
        }),
    };
    disk::write(output, &image, &mut |done, total| stage.at(done, total))?;
    measured.push(OutputFile::of("disk image", output)?);
    Ok(measured)
}
