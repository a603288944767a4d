//! `genpack check`, `init` and `schema`: what is done before anything is built.

use std::fs;
use std::process::{Command, Output};

use genpack_tests::genpack;
use serde_json::Value;

fn run(folder: &std::path::Path, arguments: &[&str]) -> Output {
    Command::new(genpack())
        .current_dir(folder)
        .args(arguments)
        .output()
        .unwrap()
}

/// Returns both outputs of a program that ended so.
fn said(output: &Output, status: i32) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(status), "{out}{err}");
    (out, err)
}

#[test]
fn a_new_blueprint_is_fine_and_is_not_made_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (out, err) = said(&run(dir.path(), &["init", "shop"]), 0);
    assert_eq!(out, "shop/genpack.json5\nshop/files/etc/motd\nshop/.gitignore\n");
    assert!(err.is_empty(), "{err}");
    let (out, err) = said(&run(dir.path(), &["check", "shop"]), 0);
    assert_eq!((out.as_str(), err.as_str()), ("shop/genpack.json5: fine\n", ""));
    let before = fs::read(dir.path().join("shop/genpack.json5")).unwrap();
    let (_, err) = said(&run(dir.path(), &["init", "shop", "--name", "other"]), 2);
    assert!(err.contains("shop already has genpack.json5"), "{err}");
    assert_eq!(fs::read(dir.path().join("shop/genpack.json5")).unwrap(), before);
    let (_, err) = said(&run(dir.path(), &["check", "shop", "--profile", "of-nowhere"]), 2);
    assert!(
        err.contains("there is no profile \"of-nowhere\"; there is kvm"),
        "{err}"
    );
}

#[test]
fn every_mistake_of_a_folder_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("genpack.json5", "{\n  name: 'My web',\n  packges: [],\n}\n"),
        ("profiles/mine.json5", "{ kernel: 'linux' }"),
        ("files/etc/hosts", ""),
        ("files/build.d/notes", ""),
    ] {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let (out, err) = said(&run(dir.path(), &["check"]), 2);
    assert!(out.is_empty(), "{out}");
    for place in [
        "mistake 1 of 5",
        "[./genpack.json5:2:9]",
        "[./genpack.json5:3:3]",
        "[./profiles/mine.json5:1:11]",
        "./files/build.d/notes: nothing says how to run it",
        "./files/etc/hosts: this place belongs to the device",
    ] {
        assert!(err.contains(place), "{place} in {err}");
    }
    let (out, err) = said(&run(dir.path(), &["check", "--format", "json"]), 2);
    assert!(err.is_empty(), "{err}");
    let page: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(page["mistakes"].as_array().unwrap().len(), 5, "{out}");
    assert_eq!(
        (&page["mistakes"][1]["line"], &page["mistakes"][1]["column"]),
        (&3.into(), &3.into())
    );
}

#[test]
fn a_blueprint_without_a_name_is_built_with_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("shop");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("genpack.json"), "{}").unwrap();
    for arguments in [&["check", "."][..], &["build", "--plan"]] {
        let (_, err) = said(&run(&folder, arguments), 0);
        let once = err.matches("no name; the folder's is taken: shop").count();
        assert_eq!(once, 1, "{err}");
    }
}

#[test]
fn the_schema_is_json() {
    let dir = tempfile::tempdir().unwrap();
    for arguments in [&["schema"][..], &["schema", "--profile"]] {
        let (out, _) = said(&run(dir.path(), arguments), 0);
        let schema: Value = serde_json::from_str(&out).unwrap();
        assert!(
            schema["properties"]["packages"]["description"].is_string(),
            "{out}"
        );
    }
}
