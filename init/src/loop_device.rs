//! Loop devices: a file as a block device.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::path::Path;

use anyhow::{Context, Result};

// Numbers and layout of the kernel's `include/uapi/linux/loop.h`.
const LOOP_CTL_GET_FREE: u64 = 0x4c82;
const LOOP_CONFIGURE: u64 = 0x4c0a;
const LO_FLAGS_READ_ONLY: u32 = 1;
const LO_FLAGS_AUTOCLEAR: u32 = 4;

#[repr(C)]
struct LoopInfo64 {
    device: u64,
    inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    flags: u32,
    file_name: [u8; 64],
    crypt_name: [u8; 64],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo64,
    reserved: [u64; 8],
}

nix::ioctl_none_bad!(loop_ctl_get_free, LOOP_CTL_GET_FREE);
nix::ioctl_write_ptr_bad!(loop_configure, LOOP_CONFIGURE, LoopConfig);

/// A read-only loop device, which the kernel lets go of with its last user: the mount that is made on it, or this
/// value.
#[derive(Debug)]
pub struct LoopDevice {
    path: String,
    _open: File,
}

impl LoopDevice {
    /// Makes the file at `backing` available as a block device.
    pub fn attach(backing: &Path) -> Result<LoopDevice> {
        let file = File::open(backing).with_context(|| format!("opening {}", backing.display()))?;
        let control = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/loop-control");
        let control = control.context("opening /dev/loop-control")?;
        // SAFETY: the descriptor is open, and LOOP_CTL_GET_FREE takes no argument.
        #[allow(unsafe_code)]
        let number =
            unsafe { loop_ctl_get_free(control.as_raw_fd()) }.context("asking for a free loop device")?;
        let path = format!("/dev/loop{number}");
        let device = File::open(&path).with_context(|| format!("opening {path}"))?;
        let config = LoopConfig {
            fd: file.as_raw_fd() as u32,
            block_size: 0,
            info: LoopInfo64 {
                device: 0,
                inode: 0,
                rdevice: 0,
                offset: 0,
                size_limit: 0,
                number: 0,
                encrypt_type: 0,
                encrypt_key_size: 0,
                flags: LO_FLAGS_READ_ONLY | LO_FLAGS_AUTOCLEAR,
                file_name: [0; 64],
                crypt_name: [0; 64],
                encrypt_key: [0; 32],
                init: [0; 2],
            },
            reserved: [0; 8],
        };
        // SAFETY: both descriptors are open, and `config` has the layout of the kernel's `struct loop_config`.
        #[allow(unsafe_code)]
        unsafe { loop_configure(device.as_raw_fd(), &config) }
            .with_context(|| format!("setting up {path} on {}", backing.display()))?;
        Ok(LoopDevice { path, _open: device })
    }

    /// Returns the device's path.
    pub fn path(&self) -> &str {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::mem::{offset_of, size_of};

    use super::*;

    #[test]
    fn the_layout_is_the_kernels() {
        assert_eq!(size_of::<LoopInfo64>(), 232);
        assert_eq!(offset_of!(LoopConfig, info), 8);
        assert_eq!(size_of::<LoopConfig>(), 304);
    }

    #[test]
    fn a_file_becomes_a_device_and_is_let_go() {
        let dir = tempfile::tempdir().unwrap();
        let backing = dir.path().join("backing");
        fs::write(&backing, [b"hello".as_slice(), &[0; 4091]].concat()).unwrap();
        let device = LoopDevice::attach(&backing).expect("loop devices can be used here (root)");
        let name = device.path().trim_start_matches("/dev/").to_string();
        assert_eq!(&fs::read(device.path()).unwrap()[..5], b"hello");
        assert_eq!(
            fs::read_to_string(format!("/sys/block/{name}/ro")).unwrap(),
            "1\n"
        );
        drop(device);
        let attached = fs::read_to_string(format!("/sys/block/{name}/loop/backing_file")).unwrap_or_default();
        assert!(!attached.contains(dir.path().to_str().unwrap()), "{attached}");
    }
}
