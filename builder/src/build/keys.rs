//! What each stage's result depends on, as one name for each. Equal names stand for equal results.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::Request;
use super::folder::{self, FolderFile};
use super::parts::Parts;
use crate::blueprint::FILES_DIR;
use crate::hash;
use crate::source::Part;

/// Names of what a build keeps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// What the scripts did.
    pub layer: String,
    /// The finished image.
    pub image: String,
    /// The moment that the image stands for, in seconds since 1970.
    pub epoch: u32,
    /// This program. While genpack is being worked on, its version says too little.
    pub program: String,
    /// What the names are made of: a line for each input.
    made_of: String,
}

/// Returns the name of the store of an image's compressed blocks, with what all stores that may be used together begin with in
/// front.
pub fn blocks(request: &Request, keys: &Keys) -> (String, String) {
    let compression = request.blueprint.compression.value();
    // What compresses is part of the program.
    let format = format!("{}-", &short(&format!("{compression:?} {}", keys.program))[..8]);
    let name = format!(
        "{format}{}",
        short(&format!(
            "{} {:?}",
            request.folder.display(),
            request.wanted().user
        ))
    );
    (format, name)
}

impl Keys {
    /// Names everything that is made of `request` and the pinned `parts`, as of the moment `epoch`.
    pub fn of(request: &Request, parts: &Parts, epoch: u32) -> Result<Keys> {
        let mut layer = Inputs::default();
        let program = of_file(&std::env::current_exe().context("finding this program")?)?;
        layer.add("the program genpack", &program)?;
        layer.add("system", &parts.key(Part::System))?;
        layer.add("build", &request.has_build_tree().then(|| parts.key(Part::Build)))?;
        let application = parts.source.has_application().then_some(Part::Application);
        layer.add("application", &application.map(|part| parts.key(part)))?;
        layer.add("genpack's own files", &of_folder(&request.dirs.rootfs_overlay())?)?;
        layer.add(
            "the config agent",
            &of_file(&request.dirs.config_agent(request.arch.genpack))?,
        )?;
        layer.add("files/", &of_folder(&request.folder.join(FILES_DIR))?)?;
        layer.add("groups", &request.blueprint.groups)?;
        layer.add("users", &request.blueprint.users)?;
        layer.add("commands", &request.blueprint.setup_commands)?;
        layer.add("environment", &request.environment(epoch))?;
        let mut made_of = layer.0.clone();
        let layer = layer.name();
        let mut image = Inputs::default();
        image.add("genpack", &env!("CARGO_PKG_VERSION"))?;
        image.add("layer", &layer)?;
        image.add("kernel", &parts.key(Part::Kernel))?;
        image.add("tools", &parts.key(Part::Tools))?;
        image.add("PID 1", &of_file(&request.dirs.init(request.arch.genpack))?)?;
        image.add("arch", &request.arch.genpack)?;
        image.add("profile", &request.profile)?;
        image.add("blueprint", &request.blueprint)?;
        // The manifest has its hash, and that of a remark, too.
        image.add("blueprint's file", &request.file.sha256())?;
        made_of += &image.0;
        Ok(Keys {
            layer,
            image: image.name(),
            epoch,
            program,
            made_of,
        })
    }

    /// Fails when what these names stand for is not what it was: whatever has been made since may be of either, and must not
    /// be taken for one of them.
    pub fn check(&self, request: &Request, parts: &Parts) -> Result<()> {
        let now = Keys::of(request, parts, self.epoch)?;
        let pairs = self.made_of.lines().zip(now.made_of.lines());
        let changed: Vec<_> = pairs
            .filter(|(before, after)| before != after)
            .filter_map(|(before, _)| before.split(':').next())
            .filter(|name| *name != "layer")
            .collect();
        if !changed.is_empty() {
            bail!(
                "what the image is made of was changed while it was being built: {}; run genpack build again",
                changed.join(", ")
            );
        }
        Ok(())
    }
}

/// What something depends on, by names.
#[derive(Default)]
pub struct Inputs(String);

impl Inputs {
    /// Adds what a name stands for.
    pub fn add(&mut self, name: &str, value: &impl Serialize) -> Result<()> {
        writeln!(self.0, "{name}: {}", serde_json::to_string(value)?)?;
        Ok(())
    }

    /// Returns a name for all of it.
    pub fn name(&self) -> String {
        short(&self.0)
    }
}

/// Returns a name for what `text` says all of.
pub fn short(text: &str) -> String {
    hash::text(text)[..32].to_string()
}

/// Returns the hash of a file's content.
pub fn of_file(path: &Path) -> Result<String> {
    hash::file(path).with_context(|| format!("hashing {}", path.display()))
}

/// Returns a text that changes with every file below `folder`, which need not exist: names, content, modes, targets of links.
pub fn of_folder(folder: &Path) -> Result<String> {
    let line = |(path, file): (PathBuf, FolderFile)| format!("{path:?} {:o} {:?}", file.mode, file.content);
    let lines: Vec<_> = folder::read(folder)?.into_iter().map(line).collect();
    Ok(hash::text(&lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_folder_is_known_by_names_contents_modes_and_targets() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a");
        fs::write(&file, "x").unwrap();
        let mut seen = vec![
            of_folder(&dir.path().join("nowhere")).unwrap(),
            of_folder(dir.path()).unwrap(),
        ];
        fs::write(&file, "y").unwrap();
        seen.push(of_folder(dir.path()).unwrap());
        fs::set_permissions(&file, fs::Permissions::from_mode(0o700)).unwrap();
        seen.push(of_folder(dir.path()).unwrap());
        fs::rename(&file, dir.path().join("b")).unwrap();
        seen.push(of_folder(dir.path()).unwrap());
        fs::create_dir(dir.path().join("c")).unwrap();
        seen.push(of_folder(dir.path()).unwrap());
        std::os::unix::fs::symlink("b", dir.path().join("d")).unwrap();
        seen.push(of_folder(dir.path()).unwrap());
        fs::File::open(dir.path().join("b"))
            .unwrap()
            .set_modified(std::time::UNIX_EPOCH)
            .unwrap();
        assert_eq!(
            of_folder(dir.path()).unwrap(),
            seen[seen.len() - 1],
            "times do not count"
        );
        let different = seen.iter().collect::<std::collections::BTreeSet<_>>().len();
        assert_eq!(different, seen.len(), "{seen:#?}");
    }
}
