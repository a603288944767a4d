//! Tar files that GNU tar makes, and some that no program makes.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::*;

/// A header with its content.
fn entry(kind: u8, size: u64, content: &[u8]) -> Vec<u8> {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::new(kind));
    header.set_size(size);
    header.set_path("a").unwrap();
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    let mut bytes = [header.as_bytes(), content].concat();
    bytes.resize(bytes.len().next_multiple_of(BLOCK as usize), 0);
    bytes
}

fn pax(records: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.append_pax_extensions(records.iter().copied()).unwrap();
    let made = builder.into_inner().unwrap();
    // Without the end.
    made[..made.len() - 2 * BLOCK as usize].to_vec()
}

fn said(tar: &[u8]) -> String {
    let mut members = Members::new(tar);
    loop {
        match members.next() {
            Ok(Some(_)) => {}
            Ok(None) => return "no error".into(),
            Err(error) => return error.to_string(),
        }
    }
}

#[test]
fn a_value_may_have_any_byte() {
    let value = b"\x01\0\0\x02\n14 path=evil\n\0";
    let tar = [
        pax(&[
            ("SCHILY.xattr.security.capability", value),
            ("path", b"long\nname"),
            ("size", b"3"),
            ("uid", b"4000000"),
        ]),
        // Of a size over 8 GiB, the header has none.
        entry(b'0', 0, b"abc"),
        entry(b'0', 0, b""),
    ];
    let tar = tar.concat();
    let mut members = Members::new(tar.as_slice());
    let first = members.next().unwrap().unwrap();
    assert_eq!(
        first.extended,
        [("security.capability".to_string(), value.to_vec())]
    );
    assert_eq!(
        (first.name.as_slice(), first.uid, first.size),
        (b"long\nname".as_slice(), 4_000_000, 3)
    );
    assert_eq!(members.next().unwrap().unwrap().name, b"a");
    assert!(members.next().unwrap().is_none());
    for wrong in [
        b"9 path=x\n".as_slice(),
        b"11 path=x\n",
        b"path=x\n",
        b"8 pathx\n",
        b"+9 path=x\n",
        b"99999999999999999999 a=b\n",
    ] {
        assert_eq!(
            said(&entry(b'x', wrong.len() as u64, wrong)),
            match wrong {
                b"9 path=x\n" => "unexpected end of file",
                _ => "a pax header has a wrong record",
            }
        );
    }
}

#[test]
fn what_tells_of_a_file_is_short() {
    for kind in *b"LKx" {
        let text = said(&entry(kind, 8 << 30, b""));
        assert!(
            text.starts_with("8589934592 bytes tell of one file's name"),
            "{text}"
        );
    }
    let name = "n/".repeat(300);
    let tar = [
        entry(b'L', 601, format!("{name}\0").as_bytes()),
        entry(b'5', 0, b""),
    ]
    .concat();
    assert_eq!(
        Members::new(tar.as_slice()).next().unwrap().unwrap().name,
        name.as_bytes()
    );
}

#[test]
fn files_with_holes_are_whole() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    // Holes at the beginning, in the middle and at the end, and more pieces than one header of GNU's has room for.
    let mut content = vec![0; 3 << 20];
    for piece in (300_000..2_500_000).step_by(100_000) {
        content[piece..piece + 5].copy_from_slice(b"bytes");
    }
    for (file, content) in [
        ("holes", content.as_slice()),
        ("nothing", &[0; 1 << 20]),
        ("plain", b"no holes"),
    ] {
        fs::write(at("plain"), content).unwrap();
        let mut made = Command::new("cp");
        let made = made
            .args(["--sparse=always"])
            .arg(at("plain"))
            .arg(at(file))
            .status();
        assert!(made.is_ok_and(|status| status.success()) || file == "plain");
    }
    let unpacked = |tar: &Path| {
        let mut members = Members::new(File::open(tar).unwrap());
        let mut found = Vec::new();
        while let Some(member) = members.next().unwrap() {
            members
                .copy(&member, &mut File::create(at("copy")).unwrap())
                .unwrap();
            found.push((
                String::from_utf8(member.name).unwrap(),
                fs::read(at("copy")).unwrap(),
            ));
        }
        found
    };
    let want = ["holes", "nothing", "plain"].map(|name| (name.to_string(), fs::read(at(name)).unwrap()));
    for format in [
        ["--format=gnu", "--sparse"].as_slice(),
        &["--format=posix", "--sparse", "--sparse-version=0.0"],
        &["--format=posix", "--sparse", "--sparse-version=0.1"],
        &["--format=posix", "--sparse", "--sparse-version=1.0"],
        &["--format=posix"],
    ] {
        let tar = at("x.tar");
        let mut made = Command::new("tar");
        made.arg("--create")
            .arg("--file")
            .arg(&tar)
            .args(format)
            .arg("--directory")
            .arg(dir.path());
        assert!(
            made.args(["holes", "nothing", "plain"])
                .status()
                .unwrap()
                .success()
        );
        let packed = fs::metadata(&tar).unwrap().len();
        assert!(
            format.len() == 1 || packed < 1 << 20,
            "{packed} bytes are not sparse"
        );
        assert!(unpacked(&tar) == want, "{format:?}");
    }
}

#[test]
fn wrong_lists_of_holes_are_noticed() {
    let made = |map: &str, size: &str| {
        let records = [
            ("GNU.sparse.size", size.as_bytes()),
            ("GNU.sparse.map", map.as_bytes()),
        ];
        said(&[pax(&records), entry(b'0', 1024, &[1; 1024])].concat())
    };
    assert_eq!(made("0,512,1024,512", "1536"), "no error");
    for (map, size) in [
        ("0,512,1024,512", "1535"),
        ("1024,512,0,512", "1536"),
        ("0,100,1024,924", "9999"),
        ("0,512,18446744073709551615,512", "9999"),
        ("0,512,1024", "9999"),
        ("0,512", "9999"),
    ] {
        let text = made(map, size);
        assert!(
            text.starts_with("the list of holes in a file is wrong"),
            "{map}: {text}"
        );
    }
    let records: [(&str, &[u8]); 2] = [("GNU.sparse.major", b"1"), ("GNU.sparse.realsize", b"9")];
    for text in ["99999999\n", "1\n0\n", "x\n", ""] {
        let tar = [pax(&records), entry(b'0', 512, text.as_bytes())].concat();
        assert_ne!(said(&tar), "no error", "{text:?}");
    }
}
