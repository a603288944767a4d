//! Which blocks an image shares with earlier ones, and its files with one another.

use super::*;

#[test]
fn blocks_of_earlier_images_are_not_compressed_again() {
    let dir = TempDir::new().unwrap();
    let tree = dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    for number in 0..40_usize {
        let content: Vec<u8> = (0..300_000 + number)
            .map(|at| ((at * at * (number + 7)) >> 7) as u8)
            .collect();
        fs::write(tree.join(format!("{number:02}")), content).unwrap();
    }
    let image = |name: &str| dir.path().join(name);
    let pack_with = |name: &str, earlier: &[&str], compression| {
        let earlier: Vec<_> = earlier
            .iter()
            .map(|name| image(name).with_extension("blocks"))
            .collect();
        let blocks = Arc::new(Blocks::open(&earlier, &image(name).with_extension("blocks")).unwrap());
        let options = Options {
            compression,
            blocks: Some(blocks.clone()),
            ..options()
        };
        pack(&tree, &image(name), &options, &mut |_| ()).unwrap();
        blocks.finish().unwrap()
    };
    for compression in [Compression::Zstd(3), Compression::Lz4] {
        let plain = Options {
            compression,
            ..options()
        };
        pack(&tree, &image("plain"), &plain, &mut |_| ()).unwrap();
        let (known, made) = pack_with("first", &[], compression);
        assert!(known == 0 && made > 80, "{known} {made}");
        let (known, again) = pack_with("second", &["first", "nowhere"], compression);
        assert_eq!((known, again), (made, 0));
        for name in ["first", "second"] {
            assert!(
                fs::read(image(name)).unwrap() == fs::read(image("plain")).unwrap(),
                "{compression:?}"
            );
        }
        assert_eq!(
            fs::read(image("first.blocks")).unwrap().len(),
            fs::read(image("second.blocks")).unwrap().len()
        );
        fs::write(tree.join("00"), "short now").unwrap();
        let (known, made) = pack_with("third", &["second"], compression);
        assert!(known > 50 && made < 50, "{known} {made}");
        // A store of which the end is missing serves as far as it goes.
        let store = fs::read(image("third.blocks")).unwrap();
        fs::write(image("cut.blocks"), &store[..store.len() / 2]).unwrap();
        let (known, made) = pack_with("fourth", &["cut"], compression);
        assert!(known > 20 && made > 10, "{known} {made}");
        assert!(fs::read(image("fourth")).unwrap() == fs::read(image("third")).unwrap());
        run!(
            "unsquashfs",
            "-no-progress",
            "-f",
            "-d",
            &image("unpacked"),
            &image("fourth")
        );
        assert_eq!(
            fs::read_to_string(image("unpacked").join("00")).unwrap(),
            "short now"
        );
        fs::write(tree.join("00"), vec![9; 300_000]).unwrap();
    }
}

#[test]
fn what_changes_by_itself_shares_no_blocks_with_the_rest() {
    for (path, want) in [
        ("etc/passwd", "etc"),
        ("etc/nginx/nginx.conf", "etc"),
        ("usr/bin/ls", "usr/bin"),
        ("usr/lib/x86_64-linux-gnu/libc.so.6", "usr/lib"),
        ("usr/lib/genpack/boot/vmlinuz", "usr/lib/genpack"),
        ("usr/local/bin/x", "usr/local"),
        ("init", "init"),
        ("usr/x", "usr/x"),
    ] {
        assert_eq!(group(Path::new(path)), Path::new(want), "{path}");
    }
}
