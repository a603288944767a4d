//! Differences of small images, as a person sees them.

use super::*;
use crate::inspect::tests::{assert_golden, files, open};

fn images(
    folders: [&std::path::Path; 2],
    change: impl FnOnce(&mut Vec<(String, String)>),
    card: &str,
) -> [Image; 2] {
    let mut after = files("2.0-2");
    change(&mut after);
    [
        open(folders[0], &files("2.0-1"), &[("system.ini", "")]),
        open(folders[1], &after, &[("system.ini", card)]),
    ]
}

#[test]
fn every_kind_of_difference_is_shown() {
    let [a, b] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let change = |files: &mut Vec<(String, String)>| {
        files.retain(|(path, _)| !path.ends_with("multi-user.target.wants/web.service"));
        for (path, text) in files.iter_mut() {
            match path.as_str() {
                "usr/sbin/web" => *text = "v".repeat(200_000),
                "usr/lib/libweb.so" => *text = "l".repeat(100),
                "etc/ssh/sshd_config" => *text = "Port 22\n".into(),
                "usr/lib/genpack/facts.json" => *text = text.replace("It works.", "Hello."),
                "usr/lib/genpack/image.json" => *text = text.replace("6.12.1", "6.12.2"),
                "etc/systemd/system/masked.service" => {
                    *text = "-> /usr/lib/systemd/system/unused.service".into()
                }
                _ => {}
            }
        }
        files.push(("srv/new.html".into(), "<p>".into()));
    };
    let [before, after] = images([a.path(), b.path()], change, "[web]\r\n");
    let mut difference = Difference::of(&before, &after).unwrap();
    assert!(!difference.same);
    // Depends on the version of the compressor.
    difference.sizes.retain(|size| size.name == "system");
    difference
        .card
        .changed
        .retain(|change| change.name == "system.ini");
    assert_golden("diff", "everything", &text::text(&difference));
}

#[test]
fn equal_files_are_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let image = open(dir.path(), &files("1"), &[]);
    let again = Image::open(&image.path).unwrap();
    let difference = Difference::of(&image, &again).unwrap();
    assert!(difference.same && difference.says_nothing());
    assert_eq!(text::text(&difference), "");
    // The system alone, which that image holds.
    let system = Image::open(&dir.path().join("system.img")).unwrap();
    assert!(Difference::of(&image, &system).unwrap().same);
}

fn flip(image: &std::path::Path, at: usize) -> Image {
    let mut bytes = std::fs::read(image).unwrap();
    bytes[at] ^= 1;
    std::fs::write(image, bytes).unwrap();
    Image::open(image).unwrap()
}

#[test]
fn what_differs_beside_the_contents_is_named() {
    let [a, b] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [one, other] = [a.path(), b.path()].map(|folder| open(folder, &files("1"), &[]));
    // The last byte of the partition, which no file has.
    let end = usize::try_from(one.card.as_ref().unwrap().disk_bytes).unwrap() - 1;
    let difference = Difference::of(&one, &flip(&other.path, end)).unwrap();
    assert!(!difference.same && difference.says_nothing());
    let said = text::text(&difference);
    assert!(
        said.starts_with("The contents are the same. What differs is how the card is written"),
        "{said}"
    );
    // In front of the partition, where the boot loader is.
    let difference = Difference::of(&one, &flip(&other.path, 1000)).unwrap();
    assert!(!difference.same && !difference.says_nothing());
    let said = text::text(&difference);
    let title = "Disk, beside the card\n  * partition table and boot code\n";
    assert!(said.starts_with(title), "{said}");
}

#[test]
fn the_same_files_otherwise_packed_are_a_difference() {
    let [a, b] = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let image = open(a.path(), &files("1"), &[]);
    open(b.path(), &files("1"), &[]);
    // The time of the image, in its superblock.
    let other = flip(&b.path().join("system.img"), 8);
    let system = Image::open(&a.path().join("system.img")).unwrap();
    for [before, after] in [[&image, &other], [&other, &image], [&system, &other]] {
        let difference = Difference::of(before, after).unwrap();
        assert!(!difference.same && difference.says_nothing());
        let said = text::text(&difference);
        assert!(said.contains("how they are packed"), "{said}");
    }
}
