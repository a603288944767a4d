//! What starts first in a machine.

use std::path::{Path, PathBuf};

/// How a machine starts its system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Firmware {
    /// SeaBIOS: the first disk's boot sector.
    #[default]
    Bios,
    /// OVMF, 64 bit, without Secure Boot.
    Uefi {
        /// A writable copy of the variable store that is kept from run to run; without one every start of the
        /// machine begins with an empty store.
        variables: Option<PathBuf>,
    },
    /// A Linux kernel that QEMU loads itself.
    Direct {
        /// The kernel.
        kernel: PathBuf,
        /// The initramfs, if any.
        initrd: Option<PathBuf>,
        /// The kernel's command line.
        cmdline: String,
    },
}

impl Firmware {
    /// UEFI with an empty variable store at every start.
    pub fn uefi() -> Firmware {
        Firmware::Uefi { variables: None }
    }
}

/// Where the host keeps its UEFI firmware.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ovmf {
    /// Code and variable store apart, for two flash chips.
    Split {
        /// The code, read only.
        code: PathBuf,
        /// The empty variable store, never written to.
        variables: PathBuf,
    },
    /// Both in one file, for `-bios`; variables do not survive.
    Whole(PathBuf),
}

impl Ovmf {
    const SPLIT: [(&str, &str); 2] = [
        (
            "/usr/share/OVMF/OVMF_CODE_4M.fd",
            "/usr/share/OVMF/OVMF_VARS_4M.fd",
        ),
        ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ];
    const WHOLE: [&str; 2] = ["/usr/share/ovmf/OVMF.fd", "/usr/share/qemu/OVMF.fd"];

    /// The firmware of this host's `ovmf` package, if it is installed.
    pub fn detect() -> Option<Ovmf> {
        let split = Self::SPLIT
            .iter()
            .find(|(code, vars)| Path::new(code).is_file() && Path::new(vars).is_file());
        let whole = || Self::WHOLE.iter().find(|path| Path::new(path).is_file());
        split
            .map(|(code, vars)| Ovmf::Split {
                code: code.into(),
                variables: vars.into(),
            })
            .or_else(|| whole().map(|path| Ovmf::Whole(path.into())))
    }

    /// What [`Ovmf::detect`] looks for, for messages.
    pub(crate) fn looked_for() -> String {
        let code = Self::SPLIT.iter().map(|(code, _)| *code);
        code.chain(Self::WHOLE).collect::<Vec<_>>().join(", ")
    }
}
