//! Architectures of machines.

use std::fmt;
use std::str::FromStr;

/// What one architecture is called by everyone who has to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arch {
    /// genpack, Rust and `uname -m`.
    pub genpack: &'static str,
    /// Debian.
    pub debian: &'static str,
}

const KNOWN: [Arch; 2] = [
    Arch {
        genpack: "x86_64",
        debian: "amd64",
    },
    Arch {
        genpack: "aarch64",
        debian: "arm64",
    },
];

impl Arch {
    /// Returns the architecture of the machine that this program runs on.
    pub fn of_host() -> Arch {
        std::env::consts::ARCH.parse().unwrap_or(KNOWN[0])
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.genpack)
    }
}

impl FromStr for Arch {
    type Err = String;

    /// Takes the names of `uname -m`, and Debian's.
    fn from_str(text: &str) -> Result<Self, String> {
        let arch = KNOWN
            .into_iter()
            .find(|arch| arch.genpack == text || arch.debian == text);
        arch.ok_or_else(|| {
            let names = KNOWN.map(|arch| arch.genpack);
            format!(
                "{text:?} is not an architecture that genpack knows; there is {}",
                names.join(", ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_architecture_has_two_names() {
        assert_eq!("amd64".parse::<Arch>().unwrap().genpack, "x86_64");
        assert_eq!("aarch64".parse::<Arch>().unwrap().debian, "arm64");
        assert!("sparc".parse::<Arch>().unwrap_err().contains("x86_64, aarch64"));
    }
}
