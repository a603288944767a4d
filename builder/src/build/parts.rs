//! Trees of a source, made once and kept as tar files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use genpack_spec::text::Language;

use super::keys;
use crate::cache::{Cache, Kind};
use crate::source::{Part, Source};
use crate::tree;

/// Raised when the way in which parts are stripped and kept changes.
const FORMAT: u32 = 3;

/// The trees of one source.
pub struct Parts<'a> {
    /// Where they are kept.
    pub cache: &'a Cache,
    /// What makes them.
    pub source: &'a dyn Source,
    /// The image's language: messages in others are not kept.
    pub language: Language,
}

impl Parts<'_> {
    /// Returns the name of one part, which is equal for two exactly when they are the same tree.
    pub fn key(&self, part: Part) -> String {
        let language = is_stripped(part).then_some(self.language);
        keys::short(&format!("{FORMAT} {language:?} {}", self.source.inputs(part)))
    }

    /// Returns which of `parts` are not in the cache.
    pub fn missing(&self, parts: &[Part]) -> Vec<Part> {
        let absent = |part: &&Part| self.cache.find(Kind::Trees, &self.name(**part)).is_none();
        parts.iter().filter(absent).copied().collect()
    }

    /// Makes those of `parts` that are not in the cache, two at a time, in folders of `work`.
    pub fn make(&self, parts: &[Part], work: &Path) -> Result<()> {
        // The system takes as long as all others together.
        let (system, others): (Vec<_>, Vec<_>) = parts.iter().partition(|part| **part == Part::System);
        let make_each = |parts: Vec<Part>| parts.into_iter().try_for_each(|part| self.make_one(part, work));
        std::thread::scope(|scope| {
            let aside = scope.spawn(|| make_each(others));
            let outcome = make_each(system);
            let aside = aside
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            outcome.and(aside)
        })
    }

    fn make_one(&self, part: Part, work: &Path) -> Result<()> {
        let root = work.join(format!("made-{part:?}"));
        fs::create_dir(&root).with_context(|| format!("making {}", root.display()))?;
        let begun = std::time::SystemTime::now();
        self.source.make(part, &root)?;
        if is_stripped(part) {
            // Before the developer's own files come, so that none of them goes.
            tree::strip(&root, self.language)?;
        }
        tree::settle_times(&root, begun, self.source.date_of(part))?;
        let draft = self.cache.draft()?;
        let tar = draft.path().join("tree.tar");
        tree::tar(&root, &tar)?;
        self.cache.keep(Kind::Trees, &self.name(part), &tar)?;
        fs::remove_dir_all(&root).with_context(|| format!("removing {}", root.display()))
    }

    /// Unpacks a part, which is in the cache, to `root`; a system with the application over it, if there is one.
    pub fn unpack(&self, part: Part, root: &Path) -> Result<PathBuf> {
        self.unpack_one(part, root)?;
        if matches!(part, Part::System | Part::Build) && self.source.has_application() {
            self.unpack_one(Part::Application, root)?;
        }
        Ok(root.to_path_buf())
    }

    fn unpack_one(&self, part: Part, root: &Path) -> Result<()> {
        let tar = self.cache.find(Kind::Trees, &self.name(part)).with_context(|| {
            format!("the {part:?} tree is gone from the cache; is it cleared at this moment?")
        })?;
        fs::create_dir_all(root).with_context(|| format!("making {}", root.display()))?;
        tree::untar(&tar, root)
    }

    fn name(&self, part: Part) -> String {
        format!("{}.tar", self.key(part))
    }
}

/// Returns whether a part is one of which an image needs less than packages bring.
fn is_stripped(part: Part) -> bool {
    matches!(part, Part::System | Part::Build)
}
