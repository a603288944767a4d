//! What the blueprint asks of the system, and the system can't give.

use std::fs;

use crate::site::{Running, Site, tiny, tiny_image};

/// Builds a system of known packages with something more in its blueprint; it ends with `status`.
fn fails_with(status: i32, fields: &str, files: &[&str], expected: &[&str]) {
    tiny_image();
    let site = Site::new(&tiny(fields));
    for file in files {
        let path = site.path("blueprint/files").join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let said = Running::start(site.build()).finish();
    said.assert(status, expected);
    site.assert_untouched();
}

#[test]
fn a_setup_command_that_fails_is_shown_with_its_last_words() {
    fails_with(
        1,
        "setup_commands: ['true', 'seq 100; echo why >&2; false; echo later']",
        &[],
        &[
            "running the setup command \"seq 100; echo why >&2; false; echo later\"",
            "exit status: 1",
            "\n    100\n",
            "\n    why\n",
        ],
    );
}

#[test]
fn a_service_that_does_not_exist_is_named() {
    fails_with(
        2,
        "services: ['of-nowhere', 'systemd-networkd', 'systemd-netwrokd']",
        &[],
        &[
            "mistake 1 of 2",
            "there is no unit \"of-nowhere.service\"",
            "help: name the package that brings it in packages, or put it into files/etc/systemd/system",
            "mistake 2 of 2",
            "there is no unit \"systemd-netwrokd.service\"",
            "help: did you mean \"systemd-networkd.service\"?",
            // Where each of them stands.
            "genpack.json5:1:",
        ],
    );
}

#[test]
fn a_user_that_can_not_be_made_is_named() {
    fails_with(
        2,
        "users: ['daemon']",
        &[],
        &["making the user daemon", "user 'daemon' already exists"],
    );
    fails_with(
        2,
        "groups: ['sensors', 'daemon'], users: ['op']",
        &[],
        &["making the group daemon", "group 'daemon' already exists"],
    );
    fails_with(
        2,
        "users: [{ name: 'op', additional_groups: ['of-nowhere'] }]",
        &[],
        &["making the user op", "group 'of-nowhere' does not exist"],
    );
}

#[test]
fn a_file_in_the_place_of_a_folder_is_named() {
    fails_with(
        2,
        "",
        &["etc"],
        &["blueprint/files/etc is no folder, and /etc of the system is one"],
    );
    fails_with(
        2,
        "",
        &["etc/passwd/x"],
        &["blueprint/files/etc/passwd is a folder, and /etc/passwd of the system is not"],
    );
}
