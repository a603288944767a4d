//! Our kernel parameters: written by the builder into `grub.cfg`, read by PID 1.

use std::fmt;

/// A boot slot: one complete kernel, initramfs and system on the card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Slot {
    /// `boot/a`
    A,
    /// `boot/b`
    B,
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Slot::A => "a",
            Slot::B => "b",
        })
    }
}

/// What genpack's parameters on the kernel command line say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cmdline {
    /// `genpack.boot=`: volume ID of the boot partition, as GRUB and `blkid` spell it (`ABCD-1234`).
    pub boot: Option<String>,
    /// `genpack.slot=`: the slot to start; `a` when absent or not understood.
    pub slot: Slot,
    /// `genpack.transient`: nothing is kept over a restart, and the data partition is not touched.
    pub transient: bool,
}

impl Cmdline {
    /// Reads the text of `/proc/cmdline`. Unknown parameters belong to others; a value that makes no sense is
    /// treated as absent, because a device that starts with a default beats one that does not start.
    pub fn parse(text: &str) -> Cmdline {
        let mut parsed = Cmdline {
            boot: None,
            slot: Slot::A,
            transient: false,
        };
        for word in text.split_whitespace() {
            match word.split_once('=') {
                None if word == "genpack.transient" => parsed.transient = true,
                Some(("genpack.transient", value)) => parsed.transient = !matches!(value, "0" | "no" | "off"),
                Some(("genpack.boot", value)) if !value.is_empty() => parsed.boot = Some(value.to_string()),
                Some(("genpack.slot", "b")) => parsed.slot = Slot::B,
                Some(("genpack.slot", _)) => parsed.slot = Slot::A,
                _ => {}
            }
        }
        parsed
    }
}

impl fmt::Display for Cmdline {
    /// Writes the parameters as they stand on the kernel command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(boot) = &self.boot {
            write!(f, "genpack.boot={boot} ")?;
        }
        write!(f, "genpack.slot={}", self.slot)?;
        match self.transient {
            true => f.write_str(" genpack.transient"),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for boot in [None, Some("ABCD-1234".to_string())] {
            for slot in [Slot::A, Slot::B] {
                for transient in [false, true] {
                    let cmdline = Cmdline {
                        boot: boot.clone(),
                        slot,
                        transient,
                    };
                    assert_eq!(Cmdline::parse(&format!("BOOT_IMAGE=/x {cmdline} quiet")), cmdline);
                }
            }
        }
    }

    #[test]
    fn nonsense_falls_back_to_slot_a() {
        let parsed = Cmdline::parse("genpack.slot=zz genpack.boot= root=/dev/sda");
        assert_eq!(
            parsed,
            Cmdline {
                boot: None,
                slot: Slot::A,
                transient: false,
            }
        );
        assert!(!Cmdline::parse("genpack.transient=0").transient);
    }
}
