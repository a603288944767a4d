//! Scripts that run inside the system while it is built: `files/build.d/`, then the setup commands.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::chroot::{Account, Chroot};
use super::links::{self, Place};
use super::merge;
use crate::blueprint::{BUILD_SCRIPTS_DIR, InputError};
use crate::command::Failed;

/// Exit status of a shell, env(1) or chroot(1) that did not find a program (POSIX, "Exit Status for Commands").
const NOT_FOUND: i32 = 127;
const PACKAGES: &str = "packages:";
const BUILDTIME: &str = "buildtime_packages:";

/// One script of `files/build.d/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its path, relative to `build.d`.
    path: PathBuf,
    /// The user that it runs as; root when there is none.
    user: Option<String>,
    runner: Runner,
}

/// What runs a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runner {
    /// The kernel: it is executable.
    Kernel,
    /// This program of the system reads it.
    Program(&'static str),
}

impl Runner {
    /// Returns what runs the file at `path`; nothing says how to run it when there is none.
    pub fn of(path: &Path, metadata: &fs::Metadata) -> Option<Runner> {
        match path.extension().and_then(|ending| ending.to_str()) {
            _ if metadata.is_file() && metadata.permissions().mode() & 0o111 != 0 => Some(Runner::Kernel),
            Some("sh") => Some(Runner::Program("/bin/sh")),
            Some("py") => Some(Runner::Program("/usr/bin/python3")),
            _ => None,
        }
    }
}

/// Returns the scripts in `folder`, in the order in which they run: by name, those of a sub-folder where its name stands.
/// A sub-folder's scripts run as the user with its name.
///
/// # Errors
/// [`InputError`] for a file that is no script.
pub fn find(folder: &Path) -> Result<Vec<Script>> {
    let mut scripts = Vec::new();
    for (name, path) in entries(folder)? {
        if !path.is_dir() {
            scripts.push(script(Path::new(&name), &path, None)?);
            continue;
        }
        for (file, path) in entries(&path)? {
            let relative = Path::new(&name).join(file);
            if path.is_dir() {
                bail!(InputError::plain(format!(
                    "{} is a folder in a user's folder; scripts are files in files/{BUILD_SCRIPTS_DIR} or files/{BUILD_SCRIPTS_DIR}/USER",
                    path.display()
                )));
            }
            scripts.push(script(&relative, &path, Some(&name))?);
        }
    }
    Ok(scripts)
}

fn script(relative: &Path, path: &Path, user: Option<&str>) -> Result<Script> {
    let metadata = fs::metadata(path).with_context(|| format!("reading {}", path.display()))?;
    if let Ok(target) = fs::read_link(path)
        && (target.is_absolute() || target.components().any(|part| part == Component::ParentDir))
    {
        bail!(InputError::plain(format!(
            "{} is a link to {}, which is not there when scripts run; put a copy in its place, or a link to a script in the same \
             folder",
            path.display(),
            target.display()
        )));
    }
    let Some(runner) = Runner::of(path, &metadata) else {
        bail!(InputError::plain(format!(
            "{} can't be run: it is neither executable nor does its name end in .sh or .py; run: chmod +x {}",
            path.display(),
            path.display()
        )));
    };
    Ok(Script {
        path: relative.to_path_buf(),
        user: user.map(String::from),
        runner,
    })
}

/// Returns what is in a folder, which need not exist, by name in the order of bytes.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let entry = entry.with_context(|| format!("reading {}", folder.display()))?;
        let Ok(name) = entry.file_name().into_string() else {
            bail!(InputError::plain(format!(
                "the name of {} is not UTF-8",
                entry.path().display()
            )));
        };
        found.push((name, entry.path()));
    }
    found.sort();
    Ok(found)
}

/// Runs scripts and setup commands in the tree at `root`, where `folder` has the scripts. They are gone afterwards.
///
/// # Errors
/// When one of them fails; the error has its name, its status, and the end of what it said.
pub fn run(
    root: &Path,
    folder: &Path,
    scripts: &[Script],
    commands: &[String],
    environment: &[(&str, String)],
) -> Result<()> {
    let chroot = Chroot::enter(root)?;
    let inside = root.join(BUILD_SCRIPTS_DIR);
    if !scripts.is_empty() {
        if fs::symlink_metadata(&inside).is_ok() {
            bail!("the system has a /{BUILD_SCRIPTS_DIR}, where scripts lie while they run");
        }
        fs::create_dir(&inside)?;
        fs::set_permissions(&inside, fs::Permissions::from_mode(0o755))?;
        merge::merge(folder, &inside)?;
    }
    for script in scripts {
        // Users of the system run them, too, whatever the modes are where the developer keeps them. What a link leads to is
        // another script, or a file that is not ours.
        for path in script
            .path
            .ancestors()
            .filter(|path| !path.as_os_str().is_empty())
            .map(|path| inside.join(path))
        {
            if !fs::symlink_metadata(&path)?.is_symlink() {
                fs::set_permissions(path, fs::Permissions::from_mode(0o755))?;
            }
        }
        let name = format!("files/{BUILD_SCRIPTS_DIR}/{}", script.path.display());
        check_runner(&name, script, &inside, root)?;
        run_script(&chroot, root, script, environment)
            .map_err(|error| with_hint(error, &format!("running {name}")))?;
    }
    if !scripts.is_empty() {
        fs::remove_dir_all(&inside).with_context(|| format!("removing /{BUILD_SCRIPTS_DIR}"))?;
    }
    for command in commands {
        chroot
            .run("/bin/sh", &["-e", "-c", command], environment)
            .map_err(|error| with_hint(error, &format!("running the setup command {command:?}")))?;
    }
    Ok(())
}

/// Adds what was being done, and what to do if a program was not found.
fn with_hint(error: anyhow::Error, doing: &str) -> anyhow::Error {
    let failed = error.downcast_ref::<Failed>();
    match failed.and_then(|failed| failed.status.code()) {
        Some(NOT_FOUND) => error.context(format!(
            "{doing} (if it lacks a program: {BUILDTIME}, or {PACKAGES} if the image needs it, too, names its package)"
        )),
        _ => error.context(doing.to_string()),
    }
}

/// Fails when the program that is to read a script is not in the tree: the kernel would say that the script isn't.
fn check_runner(name: &str, script: &Script, inside: &Path, root: &Path) -> Result<()> {
    let program = match script.runner {
        Runner::Program(program) => program.to_string(),
        Runner::Kernel => match interpreter(&fs::read(inside.join(&script.path))?) {
            Some(program) => program,
            None => return Ok(()),
        },
    };
    let look = |place: &Path| match fs::symlink_metadata(root.join(place)) {
        Ok(found) if found.is_symlink() => fs::read_link(root.join(place)).map_or(Place::End, Place::Link),
        Ok(_) => Place::End,
        Err(_) => Place::Nowhere,
    };
    if program.ends_with('\r') {
        bail!(InputError::plain(format!(
            "the lines of {name} end as those of Windows do; save it with the line ends of Linux (LF), or run: sed -i 's/\\r$//' \
             {name}"
        )));
    }
    if links::follow(Path::new(&program), look).is_err() {
        bail!(InputError::plain(format!(
            "{name} is run by {program}, which the system does not have; {BUILDTIME}, or {PACKAGES} if the image needs it, \
             too, names its package"
        )));
    }
    Ok(())
}

/// Returns the program that a script's first line names (execve(2), "Interpreter scripts").
fn interpreter(script: &[u8]) -> Option<String> {
    let line = script.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?;
    // Other words are arguments. A carriage return is part of the name.
    line.split([' ', '\t'])
        .find(|word| !word.is_empty())
        .map(String::from)
}

fn run_script(chroot: &Chroot, root: &Path, script: &Script, environment: &[(&str, String)]) -> Result<()> {
    let path = Path::new("/").join(BUILD_SCRIPTS_DIR).join(&script.path);
    let path = path.to_str().context("the script's name is not UTF-8")?;
    let (program, arguments) = match script.runner {
        Runner::Program(program) => (program, vec![path]),
        Runner::Kernel => (path, Vec::new()),
    };
    match &script.user {
        None => chroot.run(program, &arguments, environment),
        Some(user) => {
            let account = Account::find(root, user)?.with_context(|| {
                format!("the system has no user {user}, after whom its folder is named; name one in users:")
            })?;
            chroot.run_as(&account, program, &arguments, environment)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::command;

    fn folder(files: &[(&str, u32)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (file, mode) in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        dir
    }

    #[test]
    fn scripts_run_by_name_and_as_the_folders_user() {
        let dir = folder(&[
            ("20-b.sh", 0o644),
            ("10-a", 0o755),
            ("op/1.py", 0o600),
            ("zz.sh", 0o755),
            ("Z.py", 0o644),
        ]);
        let found: Vec<_> = find(dir.path())
            .unwrap()
            .into_iter()
            .map(|s| (s.path.display().to_string(), s.user, s.runner))
            .collect();
        let want =
            |path: &str, user: Option<&str>, runner| (path.to_string(), user.map(String::from), runner);
        assert_eq!(
            found,
            [
                want("10-a", None, Runner::Kernel),
                want("20-b.sh", None, Runner::Program("/bin/sh")),
                want("Z.py", None, Runner::Program("/usr/bin/python3")),
                want("op/1.py", Some("op"), Runner::Program("/usr/bin/python3")),
                want("zz.sh", None, Runner::Kernel),
            ]
        );
        assert!(find(&dir.path().join("nowhere")).unwrap().is_empty());
    }

    #[test]
    fn scripts_lie_in_their_folder() {
        let dir = folder(&[("10-a.sh", 0o644)]);
        let link = |to: &str| {
            let place = dir.path().join("20-b.sh");
            let _ = fs::remove_file(&place);
            std::os::unix::fs::symlink(to, place).unwrap();
            find(dir.path())
        };
        assert_eq!(link("10-a.sh").unwrap().len(), 2);
        let elsewhere = folder(&[("c.sh", 0o644)]);
        let file = elsewhere.path().join("c.sh");
        let up = format!("../{}/c.sh", elsewhere.path().file_name().unwrap().display());
        for target in [file.to_str().unwrap(), &up] {
            let said = link(target).unwrap_err().to_string();
            assert!(said.contains("which is not there when scripts run"), "{said}");
        }
    }

    #[test]
    fn a_program_that_was_not_found_has_a_package() {
        let ended = |status: &str| {
            let mut command = Command::new("sh");
            let error = command::run(command.args(["-c", status])).unwrap_err();
            format!("{:#}", with_hint(error, "running x"))
        };
        assert!(ended("exit 7").starts_with("running x: sh -c 'exit 7' failed (exit status: 7):"));
        let said = ended("of-nowhere");
        assert!(
            said.starts_with(
                "running x (if it lacks a program: buildtime_packages:, or packages: if the image needs it"
            ),
            "{said}"
        );
    }

    #[test]
    fn a_scripts_interpreter_must_be_there() {
        let system = folder(&[("usr/bin/python3.13", 0o755), ("usr/bin/env", 0o755)]);
        std::os::unix::fs::symlink("python3.13", system.path().join("usr/bin/python3")).unwrap();
        std::os::unix::fs::symlink("/usr/bin/gone", system.path().join("usr/bin/ruby")).unwrap();
        let scripts = folder(&[]);
        let said = |name: &str, text: &str, mode: u32| {
            let path = scripts.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let script = super::script(Path::new(name), &path, None).unwrap();
            match check_runner(name, &script, scripts.path(), system.path()) {
                Ok(()) => String::new(),
                Err(error) => {
                    assert!(error.downcast_ref::<InputError>().is_some(), "{error:#}");
                    error.to_string()
                }
            }
        };
        for (name, text, mode) in [
            ("a.py", "", 0o644),
            ("b", "#! /usr/bin/python3 -E\n", 0o755),
            ("c", "#!/usr/bin/env ruby\n", 0o755),
            ("d", "\x7fELF", 0o755),
        ] {
            assert_eq!(said(name, text, mode), "", "{name}");
        }
        assert!(
            said("e.sh", "", 0o644)
                .starts_with("e.sh is run by /bin/sh, which the system does not have; build")
        );
        assert!(said("f", "#!/usr/bin/ruby\n", 0o755).contains("/usr/bin/ruby, which"));
        assert!(said("g", "#!/usr/bin/env\r\n", 0o755).starts_with("the lines of g end as those of Windows"));
    }

    #[test]
    fn what_is_no_script_is_named() {
        let said = |dir: &tempfile::TempDir| find(dir.path()).unwrap_err().to_string();
        let text = said(&folder(&[("notes.txt", 0o644)]));
        assert!(
            text.contains("notes.txt can't be run") && text.contains("chmod +x"),
            "{text}"
        );
        let text = said(&folder(&[("op/deep/x.sh", 0o644)]));
        assert!(text.contains("is a folder in a user's folder"), "{text}");
    }
}
