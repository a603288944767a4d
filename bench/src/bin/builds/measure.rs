//! One builder through all situations.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Result;
use genpack_bench::{Builder, Site, Sizes, middle, packages_in, unpack};

/// Small, in no system of the bench, and depends on nothing that is not there.
pub const ADDED: &str = "tree";

/// What a build begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Situation {
    /// No build before it has left anything.
    Cold,
    /// Nothing has changed since the last build.
    Unchanged,
    /// One of the developer's own files has changed since.
    FileChanged,
    /// One package has been added since.
    PackageAdded,
}

impl Situation {
    /// All, in the order in which they follow each other.
    pub const ALL: [Situation; 4] = [
        Situation::Cold,
        Situation::Unchanged,
        Situation::FileChanged,
        Situation::PackageAdded,
    ];

    /// Returns its name for people.
    pub fn title(self) -> &'static str {
        match self {
            Situation::Cold => "cold",
            Situation::Unchanged => "nothing changed",
            Situation::FileChanged => "one file changed",
            Situation::PackageAdded => "one package added",
        }
    }
}

/// What was seen of one builder.
#[derive(Default)]
pub struct Measured {
    /// The builder's name.
    pub name: &'static str,
    seconds: BTreeMap<Situation, Vec<f64>>,
    /// The system of the first cold build.
    pub system: System,
}

/// What came of a build.
#[derive(Default)]
pub struct System {
    /// Length of the SquashFS in bytes.
    pub squashfs: u64,
    /// What is in it.
    pub sizes: Sizes,
    /// Names and versions of its packages.
    pub packages: BTreeMap<String, String>,
}

impl Measured {
    /// Goes through all situations once more. Where a builder has no memory, only the cold one says anything. The
    /// first system is unpacked in `work`.
    pub fn round(&mut self, builder: &dyn Builder, site: &mut Site, work: &Path) -> Result<()> {
        self.name = builder.name();
        builder.forget()?;
        site.reset()?;
        for situation in Situation::ALL {
            match situation {
                Situation::Cold => {}
                _ if !builder.remembers() => continue,
                Situation::Unchanged => {}
                Situation::FileChanged => site.change_a_file()?,
                Situation::PackageAdded => site.add_package(ADDED)?,
            }
            let seconds = builder.build(site)?;
            eprintln!("  {}: {}, {seconds:.1} s", self.name, situation.title());
            self.seconds.entry(situation).or_default().push(seconds);
            if situation == Situation::Cold && self.system.squashfs == 0 {
                self.system = System::of(builder, work)?;
            }
        }
        // The next one needs the room.
        builder.forget()
    }

    /// Returns the middle of the seconds that a build took in this situation. Who has no memory does everything again.
    pub fn seconds(&self, situation: Situation) -> Option<f64> {
        let of = |situation| self.seconds.get(&situation);
        middle(of(situation).or_else(|| of(Situation::Cold))?.clone())
    }
}

impl System {
    fn of(builder: &dyn Builder, work: &Path) -> Result<System> {
        let (squashfs, tree) = (builder.system()?, work.join("unpacked"));
        unpack(&squashfs, &tree)?;
        let system = System {
            squashfs: fs::metadata(&squashfs)?.len(),
            sizes: Sizes::of(&tree)?,
            packages: packages_in(&tree)?,
        };
        fs::remove_dir_all(tree)?;
        Ok(system)
    }
}
