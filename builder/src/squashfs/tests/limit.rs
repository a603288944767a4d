//! Images that would be too large.

use super::*;

#[test]
fn an_image_at_its_limit_is_given_up() {
    let (tree, work) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let image = work.path().join("image");
    const FILE: usize = 4 << 20;
    fs::write(tree.path().join("a"), vec![0; FILE]).unwrap();
    for seed in [1, 2, 3] {
        fs::write(tree.path().join(format!("b{seed}")), noise(FILE, seed)).unwrap();
    }
    let pack_within = |limit| {
        let options = Options {
            limit,
            backlog: 10,
            ..options()
        };
        pack(tree.path(), &image, &options, &mut |_| ())
    };
    let size = pack_within(u64::MAX).unwrap().image_size;
    let whole = fs::read(&image).unwrap();
    assert_eq!(pack_within(size).unwrap().image_size, size);
    assert!(fs::read(&image).unwrap() == whole);

    let middle = FILE as u64 * 3 / 2;
    for limit in [size - 1, size - 4096, middle, 50] {
        let error = pack_within(limit).unwrap_err();
        let said = error.downcast_ref::<TooLarge>().unwrap();
        assert_eq!((said.limit, said.total), (limit, 4 * FILE as u64));
        assert!(fs::metadata(&image).unwrap().len() <= limit);
        if limit <= middle {
            assert!(said.read < said.total, "{said:?}");
        }
        if limit == middle {
            // What was read of a file counts before all of it was.
            assert!(!said.read.is_multiple_of(FILE as u64), "{said:?}");
        }
    }
}
