use super::*;

fn cache(limit: &str) -> (tempfile::TempDir, Cache) {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::at(dir.path().join("genpack"), limit.parse().unwrap());
    (dir, cache)
}

fn put(cache: &Cache, kind: Kind, name: &str, megabytes: usize, age: u64) {
    let draft = cache.draft().unwrap();
    let made = draft.path().join("made");
    fs::write(&made, vec![7; megabytes * 1_000_000]).unwrap();
    let path = cache.keep(kind, name, &made).unwrap();
    let time = SystemTime::now() - std::time::Duration::from_secs(age);
    File::open(path).unwrap().set_modified(time).unwrap();
}

#[test]
fn what_was_used_longest_ago_goes_first() {
    let (_dir, cache) = cache("6M");
    let in_use = cache.enter().unwrap();
    put(&cache, Kind::Lists, "old", 1, 900);
    put(&cache, Kind::Trees, "a", 2, 300);
    put(&cache, Kind::Images, "b", 2, 200);
    put(&cache, Kind::Trees, "c", 2, 100);
    // Being found is being used.
    assert!(cache.find(Kind::Trees, "a").is_some());
    cache.trim();
    assert!(cache.find(Kind::Images, "b").is_some(), "a build is under way");
    put(&cache, Kind::Images, "b", 2, 200);
    drop(in_use);
    cache.trim();
    assert!(cache.find(Kind::Images, "b").is_none());
    for (kind, name) in [(Kind::Lists, "old"), (Kind::Trees, "a"), (Kind::Trees, "c")] {
        assert!(cache.find(kind, name).is_some(), "{name}");
    }
    assert!(cache.entries().iter().map(|entry| entry.bytes).sum::<u64>() <= cache.limit().bytes());
}

#[test]
fn what_is_unfinished_is_never_found_and_goes() {
    let (dir, cache) = cache("1G");
    let in_use = cache.enter().unwrap();
    let draft = cache.draft().unwrap();
    fs::write(draft.path().join("half"), "x").unwrap();
    // As a build that was killed leaves it.
    let left = draft.keep();
    cache.discard_partial();
    assert!(left.exists(), "a build is under way");
    drop(in_use);
    let _next = cache.enter().unwrap();
    assert!(!left.exists());
    assert!(cache.find(Kind::Trees, "half").is_none());
    assert!(dir.path().join("genpack/partial").is_dir());
}

#[test]
fn packages_that_have_come_whole_are_kept() {
    let (_dir, cache) = cache("1G");
    let in_use = cache.enter().unwrap();
    let draft = cache.draft().unwrap();
    let name = |content| format!("{}.deb", hash::text(content));
    fs::write(draft.path().join(name("whole")), "whole").unwrap();
    fs::write(draft.path().join(name("begun")), "beg").unwrap();
    let left = draft.keep();
    drop(in_use);
    cache.discard_partial();
    assert!(!left.exists());
    let kept = cache.find(Kind::Packages, &name("whole")).unwrap();
    assert_eq!(fs::read_to_string(kept).unwrap(), "whole");
    assert!(cache.find(Kind::Packages, &name("begun")).is_none());
}

#[test]
fn an_entry_that_is_there_stays() {
    let (_dir, cache) = cache("1G");
    let _in_use = cache.enter().unwrap();
    for content in ["first", "second"] {
        let draft = cache.draft().unwrap();
        let made = draft.path().join("image");
        fs::create_dir(&made).unwrap();
        fs::write(made.join("file"), content).unwrap();
        cache.keep(Kind::Images, "same", &made).unwrap();
    }
    let kept = cache.find(Kind::Images, "same").unwrap();
    assert_eq!(fs::read_to_string(kept.join("file")).unwrap(), "first");
    assert_eq!(cache.clear(&[Kind::Trees]).unwrap(), 0);
    assert!(cache.clear(&[Kind::Images]).unwrap() > 0);
    assert!(cache.find(Kind::Images, "same").is_none());
}

#[test]
fn a_folder_is_removed_at_once() {
    let (dir, cache) = cache("1G");
    let _in_use = cache.enter().unwrap();
    let draft = cache.draft().unwrap();
    let made = draft.path().join("image");
    fs::create_dir_all(made.join("below")).unwrap();
    fs::write(made.join("below/file"), "x").unwrap();
    let path = cache.keep(Kind::Images, "image", &made).unwrap();
    // As somebody who was killed while removing it leaves it.
    fs::create_dir_all(dir.path().join("genpack/partial/image/left")).unwrap();
    cache.clear(&[Kind::Images]).unwrap();
    assert!(!path.exists());
    assert!(!dir.path().join("genpack/partial/image").exists());
}

#[test]
fn what_has_just_come_is_not_old() {
    let (_dir, cache) = cache("1G");
    let _in_use = cache.enter().unwrap();
    let draft = cache.draft().unwrap();
    let made = draft.path().join("package");
    fs::write(&made, "x").unwrap();
    File::open(&made)
        .unwrap()
        .set_modified(SystemTime::UNIX_EPOCH)
        .unwrap();
    cache.keep(Kind::Packages, "package", &made).unwrap();
    let hour = std::time::Duration::from_secs(3600);
    assert!(cache.entries()[0].used > SystemTime::now() - hour);
}
