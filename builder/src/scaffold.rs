//! `genpack init`: the folder of a new blueprint.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::blueprint::{self, ArtifactName, BLUEPRINT_FILE, FILES_DIR, InputError, PLAIN_JSON_FILE};
use crate::build::product;
use crate::print;

/// Where the blueprint goes, and what it is called.
#[derive(Args)]
pub struct InitArguments {
    /// Folder to make it in
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    /// Name of what is built [default: the folder's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Where a repository says what it does not keep. One that is there already is the developer's own.
const GIT_IGNORE: &str = ".gitignore";

/// Returns patterns for what builds leave in the blueprint's folder, and in no other: a file of `files/` may have any name.
fn ignored() -> String {
    let outputs = [
        "img",
        product::QCOW2,
        product::MANIFEST,
        product::CYCLONEDX,
        product::SPDX,
    ];
    let outputs = outputs.map(|ending| format!("/*.{ending}\n"));
    outputs.concat() + "/.genpack-*/\n"
}

/// Runs the command, and prints what it made.
pub fn run(arguments: &InitArguments) -> Result<ExitCode> {
    for path in make(&arguments.folder, arguments.name.as_deref())? {
        print::answer(&format!("{}\n", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Makes the files of a new blueprint in `folder`, which is made when it is not there, and returns their paths.
///
/// # Errors
/// [`InputError`] when one of the files is there already or the name can't be used; nothing was written then.
fn make(folder: &Path, name: Option<&str>) -> Result<Vec<PathBuf>> {
    let name = name_for(folder, name)?;
    let files = [
        (
            PathBuf::from(BLUEPRINT_FILE),
            blueprint::template(&name.to_string()),
        ),
        (
            Path::new(FILES_DIR).join("etc/motd"),
            format!(
                "This is {name}. What is in {FILES_DIR}/ of the blueprint is copied to / of the system.\n"
            ),
        ),
    ];
    let is_there = |path: &Path| fs::symlink_metadata(folder.join(path)).is_ok();
    let refused = files.iter().map(|(path, _)| path.as_path());
    let there: Vec<_> = refused
        .chain([Path::new(PLAIN_JSON_FILE)])
        .filter(|path| is_there(path))
        .map(|path| path.display().to_string())
        .collect();
    if !there.is_empty() {
        bail!(InputError::plain(format!(
            "{} already has {}, and nothing is overwritten; name another folder: genpack init DIR",
            folder.display(),
            there.join(", ")
        )));
    }
    let git_ignore = PathBuf::from(GIT_IGNORE);
    let git_ignore = (!is_there(&git_ignore)).then(|| (git_ignore, ignored()));
    let mut made = Vec::new();
    for (path, text) in files.into_iter().chain(git_ignore) {
        let path = folder.join(path);
        if let Err(error) = write_new(&path, &text) {
            made.iter().for_each(|path| drop(fs::remove_file(path)));
            return Err(error).with_context(|| format!("writing {}", path.display()));
        }
        made.push(path);
    }
    Ok(made)
}

fn name_for(folder: &Path, name: Option<&str>) -> Result<ArtifactName> {
    let text = name.map_or_else(|| blueprint::name_of(folder), String::from);
    text.parse().map_err(|why: String| {
        let advice = match name {
            Some(_) => "--name",
            None => "the folder's name; another is given with --name NAME",
        };
        InputError::plain(format!("{advice}: {why}")).into()
    })
}

fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut file = fs::File::create_new(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check;

    #[test]
    fn a_new_blueprint_has_nothing_to_be_said_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let profiles = dir.path().join("genpack");
        fs::create_dir(&profiles).unwrap();
        fs::write(
            profiles.join("kvm.json5"),
            "{ kernel: { package: 'linux-image' } }",
        )
        .unwrap();
        let folder = dir.path().join("deep/shop");
        let made = make(&folder, None).unwrap();
        assert_eq!(made.len(), 3);
        let found = check::check(&folder, None, &profiles);
        assert!(
            found.mistakes.is_empty() && found.warnings.is_empty(),
            "{found:?}"
        );
        assert!(fs::read_to_string(&made[0]).unwrap().contains("name: \"shop\""));
    }

    #[test]
    fn nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["README.md", "genpack.json"] {
            fs::write(dir.path().join(name), "mine").unwrap();
        }
        let error = make(dir.path(), Some("web")).unwrap_err().to_string();
        assert!(error.contains("already has genpack.json,"), "{error}");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_repository_keeps_its_own_list_of_what_it_does_not_keep() {
        let dir = tempfile::tempdir().unwrap();
        for name in [".gitignore", "README.md", "LICENSE"] {
            fs::write(dir.path().join(name), "mine").unwrap();
        }
        fs::create_dir(dir.path().join(".git")).unwrap();
        assert_eq!(make(dir.path(), Some("web")).unwrap().len(), 2);
        let kept = fs::read_to_string(dir.path().join(GIT_IGNORE)).unwrap();
        assert_eq!(kept, "mine");
    }

    #[test]
    fn all_outputs_are_ignored_and_nothing_in_other_folders() {
        let ignored = ignored();
        let endings: Vec<_> = ignored
            .lines()
            .filter_map(|line| line.strip_prefix("/*"))
            .collect();
        for product in product::ALL.iter().filter(|product| **product != product::IMAGE) {
            let name = format!("web-kvm.img.{product}");
            assert!(endings.iter().any(|ending| name.ends_with(ending)), "{name}");
        }
        assert!(endings.contains(&".img"));
        assert!(ignored.lines().all(|line| line.starts_with('/')), "{ignored}");
    }

    #[test]
    fn a_name_that_can_not_be_one_is_refused_before_anything_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let error = |folder: &str, name| make(&dir.path().join(folder), name).unwrap_err().to_string();
        assert!(error("My shop", None).contains("--name NAME"));
        assert!(error("shop", Some("My shop")).starts_with("--name: a name has letters"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
