use super::*;

fn request(asked: &[&str]) -> SetRequest {
    SetRequest {
        base: "debian:trixie".into(),
        arch: "x86_64".into(),
        purpose: Purpose::System,
        asked: asked.iter().map(|name| name.to_string()).collect(),
    }
}

fn pin(name: &str, version: &str) -> Pin {
    let text = format!("{name} {version} amd64 7 {} pool/x.deb", "ab".repeat(32));
    text.parse().unwrap()
}

fn empty() -> (tempfile::TempDir, Lock) {
    let dir = tempfile::tempdir().unwrap();
    let lock = Lock::load(dir.path()).unwrap();
    (dir, lock)
}

#[test]
fn what_was_saved_is_read_again() {
    let (dir, mut lock) = empty();
    let set = PinnedSet::new(
        request(&["nginx"]),
        7,
        vec![pin("nginx", "1.0-1"), pin("libc6", "2.4")],
    );
    lock.put(&[set], "-/kvm/x86_64");
    lock.save().unwrap();
    let again = Lock::load(dir.path()).unwrap();
    assert_eq!(again, lock);
    assert_eq!(
        again.find(&request(&["nginx"])).unwrap().packages,
        [pin("libc6", "2.4"), pin("nginx", "1.0-1")]
    );
    assert!(again.find(&request(&["nginx", "vim"])).is_none());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_set_that_no_image_uses_goes() {
    let (_dir, mut lock) = empty();
    let old = PinnedSet::new(request(&["nginx"]), 7, vec![pin("nginx", "1.0-1")]);
    let new = PinnedSet::new(
        request(&["nginx", "vim"]),
        8,
        vec![pin("nginx", "1.0-1"), pin("vim", "9")],
    );
    lock.put(std::slice::from_ref(&old), "a");
    lock.put(std::slice::from_ref(&old), "b");
    lock.put(std::slice::from_ref(&new), "a");
    assert!(lock.find(&old.request).is_some() && lock.find(&new.request).is_some());
    lock.put(std::slice::from_ref(&new), "b");
    assert!(lock.find(&old.request).is_none());
    let before = lock.clone();
    lock.changed = false;
    lock.put(&[new], "b");
    assert!(!lock.changed);
    assert_eq!(lock.sets, before.sets);
}

#[test]
fn a_difference_names_what_came_went_and_changed() {
    let (_dir, mut old) = empty();
    let mut new = old.clone();
    old.put(
        &[PinnedSet::new(
            request(&[]),
            1,
            vec![pin("a", "1"), pin("b", "1"), pin("c", "1")],
        )],
        "x",
    );
    new.put(
        &[PinnedSet::new(
            request(&[]),
            1,
            vec![pin("b", "2"), pin("c", "1"), pin("d", "1")],
        )],
        "x",
    );
    assert_eq!(old.difference(&new), ["- a 1", "  b 1 -> 2", "+ d 1"]);
}

#[test]
fn a_damaged_file_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    for (text, why) in [
        ("<<<<<<< HEAD\n", "expected value at line 1"),
        (
            "{ \"note\": \"\", \"version\": 2, \"sets\": [] }",
            "it is of version 2",
        ),
        (
            "{ \"note\": \"\", \"version\": 1, \"sets\": [{ \"base\": \"b\", \"arch\": \"a\", \"purpose\": \"system\", \
             \"asked\": [], \"used_by\": [], \"date\": 1, \"packages\": [\"../x 1 a 1 b c\"] }] }",
            "is not \\\"NAME VERSION",
        ),
    ] {
        fs::write(dir.path().join(LOCK_FILE), text).unwrap();
        let error = Lock::load(dir.path()).unwrap_err();
        let said = error.to_string();
        assert!(
            said.contains(&why.replace('\\', "")) && said.contains("or delete it"),
            "{said}"
        );
        assert!(error.downcast_ref::<InputError>().is_some());
    }
}

#[test]
fn only_the_named_packages_are_chosen_anew() {
    let (_dir, mut lock) = empty();
    let system = PinnedSet::new(request(&["a"]), 1, vec![pin("a", "1"), pin("b", "1")]);
    let kernel = SetRequest {
        purpose: Purpose::Kernel,
        ..request(&["linux"])
    };
    let kernel = PinnedSet::new(kernel, 1, vec![pin("linux-6", "6")]);
    let user = "x/kvm/x86_64";
    lock.put(&[system.clone(), kernel.clone()], user);
    assert_eq!(lock.users().len(), 1);
    assert!(lock.has("b") && lock.has("linux") && !lock.has("c"));
    let all = lock.renewal(&[]);
    assert!(all.versions("debian:trixie", "x86_64", user).is_empty());
    assert!(all.find(&system.request).is_none() && all.find(&kernel.request).is_none());
    let mut some = lock.renewal(&["a".into()]);
    let kept = some.versions("debian:trixie", "x86_64", user);
    assert_eq!(
        kept.into_iter().collect::<Vec<_>>(),
        [("b".into(), "1".into()), ("linux-6".into(), "6".into())]
    );
    assert!(some.find(&system.request).is_none() && some.find(&kernel.request).is_some());
    // What comes out the same is of the same moment.
    let again = PinnedSet {
        date: 9,
        ..system.clone()
    };
    some.put(&[again, kernel], user);
    assert_eq!(some.sets, lock.sets);
    assert_eq!(lock.renewal(&["linux".into()]).sets.len(), 1);
}

#[test]
fn an_image_is_made_of_nothing_else() {
    let (_dir, mut lock) = empty();
    let system = PinnedSet::new(request(&["a"]), 1, vec![pin("a", "1")]);
    let build = SetRequest {
        purpose: Purpose::Build,
        ..request(&["a", "gcc"])
    };
    let build = PinnedSet::new(build, 1, vec![pin("a", "1"), pin("gcc", "1")]);
    lock.put(&[system.clone(), build.clone()], "x");
    lock.put(std::slice::from_ref(&system), "x");
    assert!(lock.find(&system.request).is_some() && lock.find(&build.request).is_none());
}

#[test]
fn an_images_own_versions_go_before_those_of_others() {
    let (_dir, mut lock) = empty();
    lock.put(
        &[PinnedSet::new(request(&["a"]), 1, vec![pin("libc6", "2.41-1")])],
        "own",
    );
    lock.put(
        &[PinnedSet::new(request(&["b"]), 1, vec![pin("libc6", "2.41-2")])],
        "other",
    );
    let version = |user: &str| lock.versions("debian:trixie", "x86_64", user)["libc6"].clone();
    assert_eq!([version("own"), version("other")], ["2.41-1", "2.41-2"]);
}

#[test]
fn a_frozen_lock_is_neither_added_to_nor_written() {
    let (dir, mut lock) = empty();
    assert!(lock.may_choose().is_ok());
    lock.freeze();
    let said = lock.may_choose().unwrap_err().to_string();
    assert!(said.contains("--locked forbids"), "{said}");
    lock.put(&[PinnedSet::new(request(&["a"]), 1, vec![pin("a", "1")])], "x");
    lock.save().unwrap();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn whoever_chooses_is_alone() {
    let dir = tempfile::tempdir().unwrap();
    let waited = std::cell::Cell::new(false);
    let held = hold(dir.path(), || waited.set(true)).unwrap();
    assert!(!waited.get());
    std::thread::scope(|scope| {
        let (said, hears) = std::sync::mpsc::channel();
        let folder = dir.path();
        let other = scope.spawn(move || hold(folder, || said.send(()).unwrap()).map(drop));
        hears.recv().unwrap();
        drop(held);
        other.join().unwrap().unwrap();
    });
}
