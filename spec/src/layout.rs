//! Every file name, label, mount point and kernel-visible path that two parts of genpack share.
//!
//! Nothing outside this module spells such a path. Paths on the boot partition are relative to its root, so
//! that the builder can write them into an image and a running device can join them to [`BOOT_MOUNT`].

/// Paths on the FAT boot partition, "the card", relative to its root.
pub mod card {
    /// The person's settings file.
    pub const SYSTEM_INI: &str = "system.ini";
    /// The device's answer in plain language.
    pub const STATUS_TXT: &str = "STATUS.txt";
    /// What this card is and how to edit it.
    pub const README_TXT: &str = "README.txt";
    /// UEFI's removable-media path for x86_64 (UEFI specification 2.10, 3.5.1.1).
    pub const EFI_X86_64: &str = "EFI/BOOT/BOOTX64.EFI";
    /// GRUB's directory; `prefix` points here.
    pub const GRUB_DIR: &str = "boot/grub";
    /// GRUB's menu.
    pub const GRUB_CFG: &str = "boot/grub/grub.cfg";
    /// Directory of boot-time state that the device keeps for itself.
    pub const STATE_DIR: &str = "boot/state";
    /// Identity seed: [`super::DEVICE_KEY_BYTES`] random bytes, made at the first boot.
    pub const DEVICE_KEY: &str = "boot/state/device.key";
    /// Kernel of a slot, below [`slot_dir`].
    pub const VMLINUZ: &str = "vmlinuz";
    /// Initramfs of a slot, below [`slot_dir`].
    pub const INITRAMFS: &str = "initramfs.img";
    /// The whole operating system in one SquashFS file, below [`slot_dir`].
    pub const SYSTEM_IMG: &str = "system.img";

    /// Copy of [`super::FACTS`], below [`slot_dir`], for computers that can't look into `system.img`.
    pub const FACTS: &str = "facts.json";
    /// The `system.ini` of the last boot in which the network worked.
    pub const LAST_GOOD_INI: &str = "boot/state/last-good.ini";
    /// The addresses that DHCP servers gave, to ask for them again at the next start.
    pub const LEASES: &str = "boot/state/leases";
    /// There while the settings file is on trial: which file, and what it was before.
    pub const PENDING_JSON: &str = "boot/state/pending.json";
    /// The settings file as it was before the trial.
    pub const PREVIOUS_INI: &str = "boot/state/previous.ini";

    /// Returns the directory of a boot slot, for example `boot/a`.
    pub fn slot_dir(slot: crate::cmdline::Slot) -> String {
        format!("boot/{slot}")
    }
}

/// Length of the identity seed in bytes.
pub const DEVICE_KEY_BYTES: usize = 32;
/// Volume label of the boot partition; what a person sees in Explorer or Finder. FAT allows 11 characters.
pub const BOOT_LABEL: &str = "GENPACK";

/// Where everything that genpack keeps at run time lives; a tmpfs made by PID 1.
pub const RUN_DIR: &str = "/run/genpack";
/// Label of the data partition's file system; ext4 allows 16 characters.
pub const DATA_LABEL: &str = "GENPACK-DATA";
/// The data partition's number on the disk of the card. It is the last one, so that it can grow.
pub const DATA_PARTITION: u32 = 2;
/// MBR type of the data partition: Linux.
pub const DATA_PARTITION_TYPE: u8 = 0x83;
/// The file system of the data partition, and the kernel module that knows it.
pub const DATA_FILE_SYSTEM: &str = "ext4";

/// Names on the data partition, relative to its root.
pub mod data {
    /// The overlay's upper layer and work folder, when everything is kept.
    pub const OVERLAY_DIR: &str = "overlay";
    /// What the image that last used the upper layer says about itself ([`crate::image::ImageInfo`]), in [`OVERLAY_DIR`].
    pub const OVERLAY_IMAGE_JSON: &str = "overlay/image.json";
    /// Folders that are kept, each under its path in one word ([`crate::storage::PersistPath::escaped`]).
    pub const FOLDERS_DIR: &str = "folders";
    /// Folders that are being copied from the system image; whatever is here at a start is half a copy.
    pub const INCOMING_DIR: &str = "incoming";
    /// What a factory reset has taken out of use and is to be deleted.
    pub const DISCARDED_DIR: &str = "discarded";
    /// The word of the last factory reset.
    pub const FACTORY_RESET: &str = "factory-reset";
}

/// Mount point of the boot partition, read-only but for the moment of a write.
pub const BOOT_MOUNT: &str = "/run/genpack/boot";
/// Mount point of the slot's `system.img`.
pub const SYSTEM_MOUNT: &str = "/run/genpack/system";
/// Mount point of the tmpfs that takes what is written at run time.
pub const OVERLAY_MOUNT: &str = "/run/genpack/overlay";
/// Mount point of the data partition; for root only.
pub const DATA_MOUNT: &str = "/run/genpack/data";
/// The validated settings, canonical JSON ([`crate::settings::Settings`]).
pub const SETTINGS_JSON: &str = "/run/genpack/settings.json";
/// The `system.ini` that this start was made with, as it is on the card now; absent when it still holds a plain password.
/// For root only.
pub const SETTINGS_INI: &str = "/run/genpack/system.ini";
/// The settings with which PID 1 made this start, once others have taken their place in [`SETTINGS_JSON`]. For root only.
pub const BOOT_SETTINGS_JSON: &str = "/run/genpack/boot-settings.json";
/// What tells this machine from another ([`crate::facts::Machine`]), as PID 1 found it.
pub const MACHINE_JSON: &str = "/run/genpack/machine.json";
/// The trial of settings that is on: until when, and what held before it. For root only.
pub const TRIAL_JSON: &str = "/run/genpack/trial.json";
/// The file that is on trial. For root only.
pub const TRIAL_INI: &str = "/run/genpack/trial.ini";
/// [`SETTINGS_INI`] as it was before the trial. For root only.
pub const BEFORE_INI: &str = "/run/genpack/before.ini";
/// Mount point of a stick while the agent looks at it.
pub const STICK_MOUNT: &str = "/run/genpack/stick";
/// What a device writes on a stick whose settings it has looked at.
pub const RESULT_TXT: &str = "RESULT.txt";
/// Directory of the settings that the blueprint declares, one `.env` and one `.json` file for each section.
pub const OWN_SETTINGS_DIR: &str = "/run/genpack/settings";
/// What PID 1 found and did ([`crate::report::BootReport`]).
pub const BOOT_REPORT_JSON: &str = "/run/genpack/report.json";
/// What the config agent found and did ([`crate::report::RunReport`]).
pub const RUN_REPORT_JSON: &str = "/run/genpack/run-report.json";
/// Directory of sshd's host key and of the keys that `system.ini` lets in.
pub const SSH_DIR: &str = "/run/genpack/ssh";
/// sshd's host key, derived from the identity seed; named by `HostKey` in our sshd drop-in.
pub const SSH_HOST_KEY: &str = "/run/genpack/ssh/ssh_host_ed25519_key";
/// Keys that `system.ini` lets in, one file for each user; named by `AuthorizedKeysFile` in our sshd drop-in.
pub const SSH_AUTHORIZED_KEYS_DIR: &str = "/run/genpack/ssh/authorized_keys.d";
/// The proxy as an environment file for every service (systemd.exec(5)).
pub const PROXY_ENV: &str = "/run/genpack/proxy.env";
/// Folder of the resolver's data, with nothing else in it, so that it can be shown to a process that sees nothing else of ours.
pub const RESOLVER_DIR: &str = "/run/genpack/resolver";
/// The resolver's data, written by the config agent; `/etc/resolv.conf` is a link to it.
pub const RESOLV_CONF: &str = "/run/genpack/resolver/resolv.conf";
/// What getty shows above the login prompt (agetty(8), `/run/issue.d`).
pub const ISSUE: &str = "/run/issue.d/genpack.issue";
/// Unit files here win over every other directory (systemd.unit(5)), so a mask here always holds.
pub const UNIT_MASK_DIR: &str = "/run/systemd/system.control";

/// What genpack itself has inside `system.img`.
pub const GENPACK_LIB_DIR: &str = "/usr/lib/genpack";
/// Files outside `/run` and of no account that follow `system.ini`: at every start each is as the settings say, or else as
/// the image has it. Home folders are their owners'.
pub const FILES_OF_SETTINGS: [&str; 11] = [
    "/etc/hostname",
    "/etc/hosts",
    "/etc/machine-id",
    "/etc/localtime",
    "/etc/locale.conf",
    "/etc/default/locale",
    "/etc/default/keyboard",
    "/etc/vconsole.conf",
    "/etc/console-setup/cached_setup_keyboard.sh",
    "/etc/ssh/sshd_config.d/05-genpack-password.conf",
    "/etc/profile.d/genpack-proxy.sh",
];
/// Copies of the files of accounts as image and settings alone make them. With them, what programs have added to the
/// real ones since can be told apart from what settings did.
pub const ACCOUNTS_BASE_DIR: &str = "/var/lib/genpack/accounts";

/// Facts about the image, written by the builder ([`crate::image::ImageInfo`]); inside `system.img`.
pub const IMAGE_INFO: &str = "/usr/lib/genpack/image.json";
/// What the meaning of a `system.ini` depends on ([`crate::facts::Facts`]); inside `system.img`.
pub const FACTS: &str = "/usr/lib/genpack/facts.json";
/// Which packages the image has and which files are whose, written by the builder; inside `system.img`.
pub const PACKAGES: &str = "/usr/lib/genpack/packages.json";
/// The software bill of materials in CycloneDX's form, inside `system.img`; it is beside the image, too.
pub const SBOM_CYCLONEDX: &str = "/usr/lib/genpack/sbom.cdx.json";
/// The software bill of materials in SPDX's form, inside `system.img`; it is beside the image, too.
pub const SBOM_SPDX: &str = "/usr/lib/genpack/sbom.spdx.json";
/// The kernel and initramfs that belong to this system, inside `system.img`.
pub const BOOT_FILES_DIR: &str = "/usr/lib/genpack/boot";
/// The config agent's place inside `system.img`.
pub const CONFIG_AGENT: &str = "/usr/lib/genpack/genpack-config-agent";
/// The command for people on the device: a link to [`CONFIG_AGENT`].
pub const CONFIG_COMMAND: &str = "/usr/bin/genpack-config";
/// Time zones inside `system.img`.
pub const ZONEINFO: &str = "/usr/share/zoneinfo";
/// The checker of the card's file system with all its libraries, inside `system.img`.
pub const FSCK_DIR: &str = "/usr/lib/genpack/fsck";
/// The checker's file name in [`FSCK_DIR`].
pub const FSCK_PROGRAM: &str = "fsck.fat";
/// The checker of the data partition, in [`FSCK_DIR`] of images that have one.
pub const FSCK_DATA_PROGRAM: &str = "e2fsck";
/// The name of the dynamic loader in [`FSCK_DIR`], whatever the architecture calls it.
pub const FSCK_LOADER: &str = "ld.so";
/// Where PID 1 keeps the checker in memory while the card is not mounted.
pub const FSCK_STAGE: &str = "/run/genpack/fsck";
/// The root file system of a container image that is the base of an appliance, inside `system.img`.
pub const CONTAINER_ROOT: &str = "/usr/lib/genpack/container";
/// What it runs and as whom, as JSON; inside `system.img`.
pub const CONTAINER_INFO: &str = "/usr/lib/genpack/container.json";
/// The unit that runs it.
pub const CONTAINER_UNIT: &str = "container.service";
/// systemd runs this instead of shutting down by itself, to let go of what the initramfs mounted
/// (<https://systemd.io/INITRD_INTERFACE/>).
pub const SHUTDOWN_ROOT: &str = "/run/initramfs";
/// Our copy below [`SHUTDOWN_ROOT`].
pub const SHUTDOWN_PROGRAM: &str = "/run/initramfs/shutdown";

/// The virtio port on which the agent tells `genpack inspect --boot` which ports are open.
pub const INSPECT_PORT: &str = "org.genpack.inspect";

/// Kernel modules inside the initramfs.
pub const INITRAMFS_MODULES_DIR: &str = "/modules";
/// Their index ([`crate::modules`]) inside the initramfs.
pub const INITRAMFS_MODULE_INDEX: &str = "/modules/index";
