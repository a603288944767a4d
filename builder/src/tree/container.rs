//! Accounts for a container's numbers: for `User=`, systemd asks for home and shell too, so a number needs an account
//! (systemd: `get_fixed_user()`), and it looks in the system's files, not in the container's.

use std::path::Path;

use anyhow::{Context, Result};
use genpack_spec::layout;

use super::rooted::Rooted;
use crate::source::oci::Service;

/// Adds accounts and groups for the numbers that a container runs as, where the system has none of such a number. Does nothing
/// without a container.
pub fn lend_numbers(root: &Path) -> Result<()> {
    let root = &Rooted::open(root).context("opening the tree")?;
    let text = root.text(Path::new(layout::CONTAINER_INFO));
    let Some(text) = text.context("reading about the container")? else {
        return Ok(());
    };
    let user = serde_json::from_str::<Service>(&text)?.user;
    for gid in user.groups.iter().chain([&user.gid]) {
        add(root, "etc/group", *gid, &format!("container-{gid}:x:{gid}:\n"))?;
    }
    let (uid, gid) = (user.uid, user.gid);
    // `*` is no password's hash: nobody can log in (passwd(5)).
    let account = format!("container-{uid}:*:{uid}:{gid}::/nonexistent:/usr/sbin/nologin\n");
    add(root, "etc/passwd", uid, &account)
}

/// Adds a line to a file of accounts unless one has the number.
fn add(root: &Rooted, file: &str, number: u32, line: &str) -> Result<()> {
    let place = Path::new(file);
    let text = root.text(place).with_context(|| format!("reading /{file}"))?;
    let mut text = text.with_context(|| format!("the system has no /{file}"))?;
    let number = number.to_string();
    if text
        .lines()
        .any(|line| line.split(':').nth(2) == Some(number.as_str()))
    {
        return Ok(());
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text += line;
    root.write(place, text)
        .with_context(|| format!("writing /{file}"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_numbers_that_nobody_has_get_an_account() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir(root.join("etc")).unwrap();
        fs::create_dir_all(root.join("usr/lib/genpack")).unwrap();
        fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/bash\n").unwrap();
        fs::write(root.join("etc/group"), "root:x:0:\nwww-data:x:33:\n").unwrap();
        lend_numbers(root).unwrap();
        let info = r#"{ "image": "i", "program": "/a", "arguments": [], "environment": {}, "folder": "/", "ports": [],
            "volumes": [], "stop_signal": null,
            "user": { "uid": 101, "gid": 33, "groups": [0, 7], "home": "/" } }"#;
        fs::write(root.join("usr/lib/genpack/container.json"), info).unwrap();
        for _ in 0..2 {
            lend_numbers(root).unwrap();
            let read = |file: &str| fs::read_to_string(root.join(file)).unwrap();
            assert_eq!(
                read("etc/passwd"),
                "root:x:0:0:root:/root:/bin/bash\ncontainer-101:*:101:33::/nonexistent:/usr/sbin/nologin\n"
            );
            assert_eq!(read("etc/group"), "root:x:0:\nwww-data:x:33:\ncontainer-7:x:7:\n");
        }
    }
}
