//! Step 7's reading half: `system.ini` becomes settings.

use std::fs;
use std::path::Path;

use anyhow::Result;
use genpack_spec::facts::{Facts, Machine};
use genpack_spec::layout;
use genpack_spec::system_ini::{self, Context, Parsed};
use genpack_spec::types::Hostname;

use crate::{log, machine};

/// Everything that the meaning of a `system.ini` depends on besides its bytes.
pub struct Reader {
    /// What the system image has.
    pub facts: Facts,
    /// What it runs on.
    pub machine: Machine,
    /// The host name that holds when the file gives none.
    pub default_hostname: Hostname,
}

impl Reader {
    /// Returns the reader for this machine and the system image that is mounted at `system`.
    pub fn new(system: &Path, default_hostname: Hostname) -> Reader {
        Reader {
            facts: facts(system).unwrap_or_else(|error| {
                log::warn(&format!("what the image has can't be read: {error:#}"));
                Facts::of_silent_image()
            }),
            machine: machine::read(Path::new("/")),
            default_hostname,
        }
    }

    /// Returns what the bytes of a file come to. Never fails: what can't be read gives the defaults.
    pub fn parse(&self, bytes: &[u8]) -> Parsed {
        let context = Context {
            default_hostname: &self.default_hostname,
            facts: &self.facts,
            machine: Some(&self.machine),
        };
        system_ini::parse(bytes, &context)
    }
}

fn facts(system: &Path) -> Result<Facts> {
    let path = system.join(layout::FACTS.trim_start_matches('/'));
    Ok(serde_json::from_slice(&fs::read(&path)?)?)
}
