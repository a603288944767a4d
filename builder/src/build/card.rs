//! What is on the FAT partition of a new image.

use genpack_spec::cmdline::{Cmdline, Slot};
use genpack_spec::layout::card::{INITRAMFS, VMLINUZ, slot_dir};

/// Returns `grub.cfg`: starts the slot at once, on the screen and, where there is one, on the first serial port.
///
/// An empty `superusers` closes GRUB's command line and editor to everybody (GRUB manual, "Authentication and
/// authorisation"), so that nobody gets a shell by changing the kernel's parameters.
pub fn grub_cfg(title: &str, volume_id: &str, slot: Slot, parameters: &[String]) -> String {
    let cmdline = Cmdline {
        boot: Some(volume_id.to_string()),
        slot,
        transient: false,
    };
    let folder = slot_dir(slot);
    let parameters = parameters.join(" ");
    format!(
        "set superusers=\"\"\n\
         export superusers\n\
         set timeout=0\n\
         set default=0\n\
         if serial --unit=0 --speed=115200; then\n  \
           terminal_output console serial\n\
         fi\n\
         menuentry \"{title}\" --unrestricted {{\n  \
           linux /{folder}/{VMLINUZ} {cmdline} {parameters}\n  \
           initrd /{folder}/{INITRAMFS}\n\
         }}\n"
    )
}

/// Returns the volume ID of an image from the hash of its system, so that equal inputs give equal images.
pub fn volume_id(system_sha256: &str) -> u32 {
    u32::from_str_radix(system_sha256.get(..8).unwrap_or_default(), 16).unwrap_or(1)
}

/// Returns the UUID of an image's data partition, of its own hash for the same reason: of version 8, "vendor-specific"
/// (RFC 9562, 5.8). The first 32 bits are the volume ID's.
pub fn data_uuid(system_sha256: &str) -> String {
    let digits = system_sha256
        .get(..32)
        .unwrap_or("00000000000000000000000000000001");
    format!(
        "{}-{}-8{}-a{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[13..16],
        &digits[17..20],
        &digits[20..]
    )
}

/// Returns the size of the FAT partition in bytes: room for a second system of half as much again, for settings and
/// for FAT's own tables, in whole 64 MiB.
pub fn partition_size(content: u64) -> u64 {
    const MIB: u64 = 1 << 20;
    /// FAT32 with clusters of 4 KiB begins at 65,525 of them.
    const LEAST: u64 = 320 * MIB;
    (content * 5 / 2 + 64 * MIB).next_multiple_of(64 * MIB).max(LEAST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_menu_starts_the_slot_with_our_parameters() {
        let cfg = grub_cfg(
            "web",
            "ABCD-1234",
            Slot::A,
            &["quiet".into(), "console=ttyS0".into()],
        );
        assert!(
            cfg.contains(
                "  linux /boot/a/vmlinuz genpack.boot=ABCD-1234 genpack.slot=a quiet console=ttyS0\n  \
                 initrd /boot/a/initramfs.img\n"
            ),
            "{cfg}"
        );
        assert!(
            cfg.starts_with("set superusers=\"\"\nexport superusers\n"),
            "{cfg}"
        );
    }

    #[test]
    fn equal_systems_have_equal_volume_ids() {
        assert_eq!(volume_id("abcd1234ffff"), 0xabcd_1234);
        let uuid = data_uuid("0123456789abcdef0123456789abcdef0123");
        assert_eq!(uuid, "01234567-89ab-8def-a123-456789abcdef");
    }

    #[test]
    fn there_is_room_for_a_second_system() {
        for megabytes in [1, 50, 100, 700] {
            let content = megabytes << 20;
            assert!(partition_size(content) >= content * 2 + (40 << 20), "{megabytes}");
        }
    }
}
