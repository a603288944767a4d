//! Who gets in, and what runs.

use super::{Fallback, Feature, Key, Keys, Kind, List, PLAIN, Sample, Section, SubjectKind};

// No real key: whoever holds its private half could log in where somebody left the example in place.
const EXAMPLE_KEY: Sample<'static> = Sample::Text("ssh-ed25519 AAAA...the-rest-of-the-line... me@home");

pub(super) const SSH: Section<'static> = Section {
    name: "ssh",
    subject: SubjectKind::None,
    help: "Remote login for administrators.",
    keys: Keys::Fixed(&[&[
        Key {
            name: "enabled",
            help: "Whether remote login is possible at all.",
            example: Sample::Text("on"),
            other_words: &["enable", "on", "active"],
            ..PLAIN
        },
        Key {
            name: "key",
            kind: Kind::SshKey,
            list: List::Lines,
            help: "A public key that may log in as root: the whole line of a file whose name ends in .pub. For several \
                   keys write several such lines.",
            example: EXAMPLE_KEY,
            fallback: Fallback::Text("only the keys that the device already has"),
            other_words: &["authorized_keys", "ssh_key", "pubkey", "public_key", "keys"],
            ..PLAIN
        },
        Key {
            name: "password_login",
            help: "Whether a password is enough to log in from the network. Only for users who have one, and never for \
                   root.",
            example: Sample::Text("off"),
            fallback: Fallback::Text("off"),
            other_words: &["password_authentication", "passwordauthentication", "password"],
            ..PLAIN
        },
    ]]),
    feature: Some(Feature::Ssh),
};

pub(super) const USER: Section<'static> = Section {
    name: "user",
    subject: SubjectKind::User,
    help: "People who may log in, each with a section of their own.",
    keys: Keys::Fixed(&[&[
        Key {
            name: "password",
            kind: Kind::Password,
            help: "The password. The device replaces it here by its hash when it has read it, so that nobody who finds \
                   the card can read it.",
            example: Sample::Text("a long sentence that only I know"),
            secret: true,
            aliases: &["passwd"],
            other_words: &["pass", "pw", "pwd"],
            ..PLAIN
        },
        Key {
            name: "password_hash",
            kind: Kind::PasswordHash,
            help: "The password in the form of crypt(5), as mkpasswd prints it; instead of password.",
            example: Sample::Text("$6$...the-rest-of-the-line..."),
            secret: true,
            ..PLAIN
        },
        Key {
            name: "ssh_key",
            kind: Kind::SshKey,
            list: List::Lines,
            help: "A public key that may log in as this user. For several keys write several such lines.",
            example: EXAMPLE_KEY,
            fallback: Fallback::Text("only the keys that the device already has"),
            aliases: &["key"],
            other_words: &["authorized_keys", "pubkey", "public_key", "ssh_keys", "keys"],
            ..PLAIN
        },
        Key {
            name: "groups",
            kind: Kind::Group,
            list: List::Words,
            help: "Groups that the user belongs to.",
            example: Sample::Text("audio, video"),
            aliases: &["group"],
            ..PLAIN
        },
        Key {
            name: "shell",
            kind: Kind::Shell,
            help: "The program that runs when the user logs in.",
            example: Sample::Text("/bin/bash"),
            ..PLAIN
        },
    ]]),
    feature: None,
};

pub(super) const SERVICES: Section<'static> = Section {
    name: "services",
    subject: SubjectKind::None,
    help: "Programs that run in the background, each with on or off. A program that is not named here runs, or does \
           not run, as the maker of this device has decided.",
    keys: Keys::Units(Key {
        name: "SERVICE",
        help: "Starts a program with the device, or keeps it from starting.",
        example: Sample::Text("off"),
        ..PLAIN
    }),
    feature: None,
};
