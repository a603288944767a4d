use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

struct Site(tempfile::TempDir);

impl Site {
    fn new(blueprint: &str) -> Site {
        let site = Site(tempfile::tempdir().unwrap());
        site.write("blueprint/genpack.json5", blueprint);
        site.write("genpack/kvm.json5", "{ kernel: { package: 'linux-image' } }");
        site
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn check(&self, profile: Option<&str>) -> Findings {
        check(
            &self.0.path().join("blueprint"),
            profile,
            &self.0.path().join("genpack"),
        )
    }

    /// Returns each problem in a line, without the temporary folder's name.
    fn said(&self, problems: &[Problem]) -> Vec<String> {
        let folder = format!("{}/", self.0.path().join("blueprint").display());
        problems
            .iter()
            .map(|problem| problem.label().replace(&folder, ""))
            .collect()
    }
}

#[test]
fn nothing_is_said_of_what_is_fine() {
    let site = Site::new("{ name: 'web', users: ['op'] }");
    site.write("blueprint/files/etc/motd", "hello\n");
    site.write("blueprint/files/build.d/10-a.sh", "true\n");
    site.write("blueprint/files/build.d/op/20-b.py", "\n");
    site.write("blueprint/files/build.d/root/tool", "\n");
    let tool = site.0.path().join("blueprint/files/build.d/root/tool");
    fs::set_permissions(tool, fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(site.0.path().join("blueprint/files/tmp")).unwrap();
    let found = site.check(Some("kvm"));
    assert!(
        found.mistakes.is_empty() && found.warnings.is_empty(),
        "{found:?}"
    );
    assert!(found.file.is_some());
}

#[test]
fn places_of_the_device_are_refused() {
    let site = Site::new("{ name: 'web' }");
    for place in ["etc/hosts", "etc/machine-id", "run/a", "run/b", "etc/run/c"] {
        site.write(&format!("blueprint/files/{place}"), "x");
    }
    symlink("x", site.0.path().join("blueprint/files/tmp")).unwrap();
    let pipe = site.0.path().join("blueprint/files/pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let found = site.check(None);
    assert_eq!(
        site.said(&found.mistakes),
        [
            "files/etc/hosts: this place belongs to the device: PID 1 writes it at every start",
            "files/etc/machine-id: this place belongs to the device: every device has its own",
            "files/pipe: it is neither a file nor a folder nor a link",
            "files/run/a: what is in /run is made at every start, and is no part of a system",
            "files/tmp: what is in /tmp is made at every start, and is no part of a system",
        ]
    );
}

#[test]
fn scripts_that_could_not_run_are_found() {
    let site = Site::new("{ name: 'web', variants: { a: { users: ['op'] } } }");
    for script in ["README", "x.pl", "op/a.sh", "postgres/b", "op/deeper/c.sh"] {
        site.write(&format!("blueprint/files/build.d/{script}"), "x");
    }
    symlink("nowhere", site.0.path().join("blueprint/files/build.d/z.sh")).unwrap();
    let found = site.check(None);
    let unknown = "nothing says how to run it; make it executable, or call it .sh or .py";
    assert_eq!(
        site.said(&found.mistakes),
        [
            format!("files/build.d/README: {unknown}"),
            "files/build.d/op/deeper: folders of a user's scripts have no folders inside".into(),
            format!("files/build.d/postgres/b: {unknown}"),
            format!("files/build.d/x.pl: {unknown}"),
            "files/build.d/z.sh: it can't be read: No such file or directory (os error 2)".into(),
        ]
    );
    assert_eq!(
        site.said(&found.warnings),
        [
            "files/build.d/op: no user of the blueprint is called op; a package has to make it",
            "files/build.d/postgres: no user of the blueprint is called postgres; a package has to make it",
        ]
    );
}

#[test]
fn everything_is_found_at_once() {
    let site = Site::new("{\n  name: 'My web',\n  packges: [],\n}");
    site.write("blueprint/profiles/mine.json5", "{ inherits: 'nobody' }");
    site.write("blueprint/profiles/other.json5", "{ pakages: [], services: 'x' }");
    site.write("blueprint/files/etc/hosts", "x");
    let said = site.said(&site.check(Some("none")).mistakes);
    assert_eq!(said.len(), 7, "{said:#?}");

    // Also what only shows when fields are looked at together, and what is in other places.
    let site = Site::new(
        "{\n  name: 'My web',\n  default_variant: 'x',\n  profile: 'kwm',\n  base: 'tar:none.tar',\n  data_size: '1G',\n  \
         users: [{name: 'a', uid: 5}, {name: 'b', uid: 5}, {}],\n}",
    );
    let found = site.check(None);
    let lines: Vec<_> = found
        .mistakes
        .iter()
        .map(|mistake| json!(mistake.record())["line"].as_u64())
        .collect();
    assert_eq!(lines, [2, 3, 6, 7, 7, 5, 4].map(Some), "{:#?}", found.mistakes);
}

#[test]
fn no_mistake_brings_about_another() {
    for (blueprint, count) in [
        // No variants that can be read are not the same as none.
        ("{ name: 'web', default_variant: 'x', variants: [] }", 1),
        ("{ name: 'web', default_variant: 3 }", 1),
        ("{ default_variant: 3, variants: { a: { name: 'a' } } }", 1),
        ("{ name: 'web', data_size: '1G', persist: ['srv'] }", 1),
        ("{ name: 'web', outputs: ['disk'] }", 1),
        ("{ name: 'web', profile: ['kvm'], base: 'tar' }", 1 + 1),
        ("{ name: 'web', arch: { x86_64: { compression: 3 } } }", 1),
        ("{ name: 'web', variants: { a: { packges: [] } } }", 1),
        (
            "{ name: 'web', settings: { k: { keys: { a: { type: 'choice' } } } } }",
            1,
        ),
        (
            "{ name: 'web', users: [{ name: 'A', uid: 7 }, { name: 'b', uid: 7 }] }",
            1,
        ),
        ("[]", 1),
    ] {
        let site = Site::new(blueprint);
        site.write("blueprint/files/build.d/A/1.sh", "");
        let found = site.check(None);
        assert!(found.warnings.is_empty(), "{blueprint}\n{:#?}", found.warnings);
        assert_eq!(found.mistakes.len(), count, "{blueprint}\n{:#?}", found.mistakes);
    }
}

#[test]
fn a_mistake_of_a_profile_is_told_once_and_in_the_profile() {
    let site = Site::new("{ name: 'web', profile: 'mine' }");
    site.write("blueprint/profiles/mine.json5", "{\n  inherits: 'nobody',\n}");
    site.write("blueprint/profiles/a.json5", "{ inherits: 'b' }");
    site.write("blueprint/profiles/b.json5", "{ inherits: 'a' }");
    site.write("blueprint/profiles/c.json5", "{ inherits: 'a' }");
    site.write("blueprint/profiles/empty.json5", "");
    site.write("blueprint/profiles/.ok.json5", "x");
    let found = site.check(Some("mine"));
    let said = site.said(&found.mistakes);
    assert_eq!(
        said,
        [
            "there is no profile \"nobody\"; there is a, b, c, empty, kvm, mine",
            "the profile a inherits from itself: a, b, a",
            "profiles/empty.json5 is empty; it begins with { and ends with }",
        ]
    );
    let record = json!(found.mistakes[0].record());
    assert!(record["file"].as_str().unwrap().ends_with("profiles/mine.json5"));
    assert_eq!((&record["line"], &record["column"]), (&2.into(), &13.into()));
}

#[test]
fn a_profile_that_is_not_there_is_shown_where_it_is_named() {
    let site =
        Site::new("{\n  name: 'web',\n  variants: { a: { profile: 'kvn1' }, b: { profile: 'part' } },\n}");
    // It is there to be inherited from, and no machine by itself.
    site.write("blueprint/profiles/part.json5", "{ packages: ['a1'] }");
    let found = site.check(None);
    let records: Vec<_> = found
        .mistakes
        .iter()
        .map(|mistake| json!(mistake.record()))
        .collect();
    assert_eq!(
        (&records[0]["line"], &records[0]["column"]),
        (&3.into(), &29.into())
    );
    assert_eq!(
        records[0]["message"],
        "there is no profile \"kvn1\"; there is kvm"
    );
    assert_eq!(records[1]["message"], "the profile part names no kernel package");
    assert_eq!(records.len(), 2, "{records:?}");
}

#[test]
fn packages_that_are_only_for_the_build_and_are_not_are_told() {
    let site = Site::new(
        "{\n  name: 'web',\n  buildtime_packages: ['gcc', 'make'],\n  packages: ['make', 'nano'],\n  \
         variants: { a: { buildtime_packages: ['nano', '-make'] } },\n}",
    );
    let found = site.check(None);
    assert!(found.mistakes.is_empty(), "{found:?}");
    assert_eq!(
        site.said(&found.warnings),
        [
            "make is in packages, too, so it stays in the image",
            "nano is in packages, too, so it stays in the image"
        ]
    );
}

#[test]
fn a_folder_without_a_blueprint_is_a_mistake() {
    let site = Site::new("{ name: 'web' }");
    fs::remove_file(site.0.path().join("blueprint/genpack.json5")).unwrap();
    let found = site.check(None);
    assert!(found.file.is_none());
    assert!(
        found.mistakes[0]
            .label()
            .starts_with("there is no genpack.json5 in")
    );
}
