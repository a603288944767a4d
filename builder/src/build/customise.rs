//! What a blueprint makes of a tree of packages: accounts, files, what scripts do, services.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result};
use genpack_spec::layout;

use super::keys::Keys;
use super::parts::Parts;
use super::{Request, Workplace};
use crate::blueprint::{BUILD_SCRIPTS_DIR, FILES_DIR};
use crate::cache::Kind;
use crate::packages;
use crate::progress::Stage;
use crate::source::Part;
use crate::tree::rooted::Rooted;
use crate::tree::{self, changes, scripts};

/// Customises the tree at `root`. Scripts run in another tree, in a folder of `place`.
///
/// The order is genpack's: groups, users, `files/`, `files/build.d/`, setup commands, services.
pub fn customise(
    request: &Request,
    parts: &Parts,
    keys: &Keys,
    root: &Path,
    place: &Workplace,
    stage: &Stage,
) -> Result<()> {
    let scripts = scripts::find(&request.folder.join(FILES_DIR).join(BUILD_SCRIPTS_DIR))?;
    prepare(request, keys, root)?;
    if !scripts.is_empty() || !request.blueprint.setup_commands.is_empty() {
        let layer = match request.cache.find(Kind::Layers, &keys.layer) {
            Some(layer) => {
                stage.note("what the scripts did: from the cache");
                layer
            }
            None => run_scripts(request, parts, &scripts, keys, root, place)?,
        };
        changes::apply(&layer, root)?;
        tree::renew_library_cache(root)?;
    }
    tree::enable_services(root, &request.profile.services, &request.blueprint.services)
}

/// Everything that comes before the scripts.
fn prepare(request: &Request, keys: &Keys, root: &Path) -> Result<()> {
    tree::merge(&request.dirs.rootfs_overlay(), root).context("copying genpack's own files")?;
    let agent = File::open(request.dirs.config_agent(request.arch.genpack));
    agent
        .and_then(|agent| Rooted::open(root)?.copy(agent, layout::CONFIG_AGENT.as_ref()))
        .context("copying the config agent")?;
    let (groups, users) = (&request.blueprint.groups, &request.blueprint.users);
    tree::make_accounts(root, groups, users, &request.environment(keys.epoch))?;
    tree::lend_numbers(root)?;
    let files = request.folder.join(FILES_DIR);
    if files.is_dir() {
        tree::merge_without(&files, root, Path::new(BUILD_SCRIPTS_DIR))?;
    }
    Ok(())
}

/// Runs scripts in a tree of their own, so that nothing of what is only there for them comes into the image, and returns
/// the layer of what they did.
fn run_scripts(
    request: &Request,
    parts: &Parts,
    scripts: &[scripts::Script],
    keys: &Keys,
    root: &Path,
    place: &Workplace,
) -> Result<PathBuf> {
    let begun = SystemTime::now();
    let part = if request.has_build_tree() {
        Part::Build
    } else {
        Part::System
    };
    let build = parts.unpack(part, &place.scripts().join("build"))?;
    prepare(request, keys, &build)?;
    let before = changes::Snapshot::of(&build)?;
    let folder = request.folder.join(FILES_DIR).join(BUILD_SCRIPTS_DIR);
    scripts::run(
        &build,
        &folder,
        scripts,
        &request.blueprint.setup_commands,
        &request.environment(keys.epoch),
    )?;
    let changes = before.changes(&build)?;
    if part == Part::Build {
        changes.check_for(&build, root)?;
        packages::check_libraries(changes.written(), &build, root)?;
    }
    // A kept layer must not tell when it was made.
    tree::settle_times(&build, begun, keys.epoch)?;
    keys.check(request, parts)?;
    let draft = request.cache.draft()?;
    let layer = draft.path().join("layer");
    fs::create_dir(&layer)?;
    changes.write(&build, &layer)?;
    let kept = request.cache.keep(Kind::Layers, &keys.layer, &layer)?;
    fs::remove_dir_all(&build).with_context(|| format!("removing {}", build.display()))?;
    Ok(kept)
}
