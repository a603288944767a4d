//! What a file of a tree uses of others: libraries, interpreters, programs that it names.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::tree::elf;

/// Text files of more bytes are data and not looked through.
const LONGEST_TEXT: u64 = 1 << 20;
/// Folders whose text files start programs: units, rules of udev, bus names, and all configuration.
const STARTING: [&str; 5] = [
    "etc",
    "usr/lib/systemd",
    "usr/lib/udev",
    "usr/local/lib/systemd",
    "usr/share/dbus-1",
];
/// Words of the shell in front of a command.
const BEFORE_A_COMMAND: [&str; 12] = [
    "!", "command", "do", "elif", "else", "env", "exec", "if", "nice", "then", "until", "while",
];

/// Something that a file uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Use {
    /// A library, by its name without folder.
    Library(String),
    /// A file by its absolute path.
    Path(PathBuf),
    /// A command by its name, to be looked for as a shell does.
    Command(String),
}

/// Returns what the file at `place` uses, which is at `path` of a tree. `commands` says whether the commands of a shell script
/// count, too, and not only those that it names with their whole path.
pub fn of(place: &Path, path: &Path, commands: bool) -> io::Result<Vec<Use>> {
    let file = File::open(place)?;
    if let Some(needs) = elf::Needs::of_file(&file)? {
        let loader = needs.loader.map(|loader| Use::Path(loader.into()));
        let libraries = needs.libraries.into_iter().map(Use::Library);
        return Ok(loader.into_iter().chain(libraries).collect());
    }
    let mut data = Vec::new();
    if file.metadata()?.len() <= LONGEST_TEXT {
        file.take(LONGEST_TEXT).read_to_end(&mut data)?;
    }
    Ok(of_text(path, &data, commands))
}

fn of_text(path: &Path, data: &[u8], commands: bool) -> Vec<Use> {
    let mut uses = Vec::new();
    if data.contains(&0) {
        return uses;
    }
    let text = String::from_utf8_lossy(data);
    let script = text
        .strip_prefix("#!")
        .map(|rest| rest.lines().next().unwrap_or_default());
    if let Some(line) = script {
        uses.extend(interpreter(line));
    }
    if script.is_some() || STARTING.iter().any(|folder| path.starts_with(folder)) {
        let lines = || {
            text.lines()
                .filter(|line| !line.trim_start().starts_with(['#', ';']))
        };
        uses.extend(lines().flat_map(paths).map(Use::Path));
        let shell = script.is_some_and(|line| line.trim_end().ends_with("sh") || line.contains("sh "));
        if commands && shell {
            uses.extend(
                lines()
                    .flat_map(commands_of)
                    .map(|name| Use::Command(name.into())),
            );
        }
    }
    uses.sort();
    uses.dedup();
    uses
}

/// The program that runs a script, and the one that `env` looks for.
fn interpreter(line: &str) -> Vec<Use> {
    let mut words = line.split_whitespace();
    let Some(program) = words.next() else {
        return Vec::new();
    };
    let mut uses = vec![Use::Path(program.into())];
    if program.ends_with("/env") {
        let name = words.find(|word| !word.starts_with('-') && !word.contains('='));
        uses.extend(name.map(|name| Use::Command(name.into())));
    }
    uses
}

/// Absolute paths in a line.
fn paths(line: &str) -> impl Iterator<Item = PathBuf> {
    let of_path = |c: char| c.is_ascii_alphanumeric() || "/._+-@".contains(c);
    line.split(move |c: char| !of_path(c))
        .filter_map(|word| word.find('/').map(|at| &word[at..]).filter(|path| path.len() > 2))
        .map(|path| PathBuf::from(path.trim_end_matches(['.', '/'])))
}

/// Words in a line of a shell script that stand where a command does.
fn commands_of(line: &str) -> impl Iterator<Item = &str> {
    line.split([';', '|', '&', '(', ')', '`', '{', '}'])
        .filter_map(|command| {
            command
                .split_whitespace()
                .map(|word| word.trim_matches(['"', '\'']))
                .find(|word| {
                    !BEFORE_A_COMMAND.contains(word) && !word.starts_with('-') && !word.contains('=')
                })
        })
        .filter(|word| !word.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(path: &str, text: &str, commands: bool) -> String {
        let words = of_text(Path::new(path), text.as_bytes(), commands)
            .into_iter()
            .map(|one| match one {
                Use::Library(name) => format!("lib:{name}"),
                Use::Path(path) => path.display().to_string(),
                Use::Command(name) => name,
            });
        words.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn scripts_use_their_interpreter_and_what_they_name() {
        assert_eq!(
            uses("usr/bin/x", "#!/usr/bin/perl -w\nprint 1;\n", false),
            "/usr/bin/perl"
        );
        assert_eq!(
            uses("usr/bin/x", "#!/usr/bin/env -S A=1 python3 -u\n", false),
            "/usr/bin/env python3"
        );
        let script =
            "#!/bin/sh\n# dpkg is no command here\nif dpkg -l | grep x; then /usr/sbin/service a start; fi\n";
        assert_eq!(uses("usr/bin/x", script, false), "/bin/sh /usr/sbin/service");
        let all = uses("usr/bin/x", script, true);
        assert_eq!(all, "/bin/sh /usr/sbin/service dpkg fi grep");
    }

    #[test]
    fn units_and_rules_use_programs() {
        let unit = "[Service]\n#ExecStart=/usr/bin/old\nExecStop=-/sbin/start-stop-daemon --stop --pidfile /run/x.pid\n";
        let path = "usr/lib/systemd/system/x.service";
        assert_eq!(uses(path, unit, false), "/run/x.pid /sbin/start-stop-daemon");
        assert_eq!(uses("usr/share/x", unit, true), "");
        assert_eq!(
            uses("usr/lib/udev/rules.d/x.rules", "RUN+=\"/usr/bin/a b\"\n", false),
            "/usr/bin/a"
        );
    }

    #[test]
    fn programs_use_their_loader_and_libraries() {
        let found = of(Path::new("/bin/ls"), Path::new("bin/ls"), false).unwrap();
        assert!(found.contains(&Use::Library("libc.so.6".into())), "{found:?}");
        assert!(
            found.contains(&Use::Path("/lib64/ld-linux-x86-64.so.2".into())),
            "{found:?}"
        );
    }

    #[test]
    fn large_files_are_not_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let used = |name: &str, begin: &[u8]| {
            let place = dir.path().join(name);
            std::fs::write(&place, begin).unwrap();
            // More than there is memory; next to nothing of it is on the disk.
            let file = File::options().write(true).open(&place).unwrap();
            file.set_len(1 << 40).unwrap();
            of(&place, Path::new(name), true).unwrap()
        };
        assert_eq!(used("model", b"#!/bin/sh\n"), []);
        assert_eq!(used("damaged", b"\x7fELF and no more"), []);
        let program = std::fs::read("/bin/ls").unwrap();
        assert!(used("program", &program).contains(&Use::Library("libc.so.6".into())));
    }
}
