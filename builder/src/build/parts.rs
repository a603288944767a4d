//! Trees of a source, made once and kept as tar files.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::keys;
use crate::cache::{Cache, Kind};
use crate::source::{Part, Source};
use crate::tree;

/// Returns which of `parts` are not in the cache.
pub fn missing(cache: &Cache, source: &dyn Source, parts: &[Part]) -> Vec<Part> {
    let absent = |part: &&Part| cache.find(Kind::Trees, &name(source, **part)).is_none();
    parts.iter().filter(absent).copied().collect()
}

/// Makes those of `parts` that are not in the cache, two at a time, in folders of `work`.
pub fn make(cache: &Cache, source: &dyn Source, parts: &[Part], work: &Path) -> Result<()> {
    // The system takes as long as all others together.
    let (system, others): (Vec<_>, Vec<_>) = parts.iter().partition(|part| **part == Part::System);
    let make_each = |parts: Vec<Part>| {
        parts
            .into_iter()
            .try_for_each(|part| make_one(cache, source, part, work))
    };
    std::thread::scope(|scope| {
        let aside = scope.spawn(|| make_each(others));
        let outcome = make_each(system);
        let aside = aside
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        outcome.and(aside)
    })
}

fn make_one(cache: &Cache, source: &dyn Source, part: Part, work: &Path) -> Result<()> {
    let root = work.join(format!("made-{part:?}"));
    fs::create_dir(&root).with_context(|| format!("making {}", root.display()))?;
    let begun = std::time::SystemTime::now();
    source.make(part, &root)?;
    if matches!(part, Part::System | Part::Build) {
        // Before the developer's own files come, so that none of them goes.
        tree::strip(&root)?;
    }
    tree::settle_times(&root, begun, source.date())?;
    let draft = cache.draft()?;
    let tar = draft.path().join("tree.tar");
    tree::tar(&root, &tar)?;
    cache.keep(Kind::Trees, &name(source, part), &tar)?;
    fs::remove_dir_all(&root).with_context(|| format!("removing {}", root.display()))
}

/// Unpacks a part, which is in the cache, to `root`; a system with the application over it, if there is one.
pub fn unpack(cache: &Cache, source: &dyn Source, part: Part, root: &Path) -> Result<PathBuf> {
    unpack_one(cache, source, part, root)?;
    if matches!(part, Part::System | Part::Build) && source.has_application() {
        unpack_one(cache, source, Part::Application, root)?;
    }
    Ok(root.to_path_buf())
}

fn unpack_one(cache: &Cache, source: &dyn Source, part: Part, root: &Path) -> Result<()> {
    let tar = cache.find(Kind::Trees, &name(source, part)).with_context(|| {
        format!("the {part:?} tree is gone from the cache; is it cleared at this moment?")
    })?;
    fs::create_dir_all(root).with_context(|| format!("making {}", root.display()))?;
    tree::untar(&tar, root)
}

fn name(source: &dyn Source, part: Part) -> String {
    format!("{}.tar", keys::part(source, part))
}
