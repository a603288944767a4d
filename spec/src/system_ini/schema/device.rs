//! The device itself: its name, place, clock, memory, updates; and which device a line is for.

use super::{Fallback, Feature, Key, Keys, Kind, List, PLAIN, Sample, Section, SubjectKind, TOP, choice};

pub(super) const SYSTEM: Section<'static> = Section {
    name: TOP,
    subject: SubjectKind::None,
    help: "The device itself.",
    keys: Keys::Fixed(&[SYSTEM_KEYS]),
    feature: None,
};

const SYSTEM_KEYS: &[Key<'static>] = &[
    Key {
        name: "hostname",
        kind: Kind::Hostname,
        help: "The name of the device in the network: letters, digits and hyphens.",
        example: Sample::Text("kitchen"),
        fallback: Fallback::DefaultHostname,
        other_words: &["name", "computer_name", "device_name"],
        ..PLAIN
    },
    Key {
        name: "timezone",
        kind: Kind::TimeZone,
        help: "The time zone, as continent and city.",
        example: Sample::Text("Europe/Berlin"),
        fallback: Fallback::Text("UTC"),
        other_words: &["tz", "zone"],
        ..PLAIN
    },
    Key {
        name: "locale",
        kind: Kind::Locale,
        help: "Language and country. STATUS.txt is written in this language when it is English, German or Japanese.",
        example: Sample::Text("de_DE.UTF-8"),
        other_words: &["lang", "language"],
        ..PLAIN
    },
    Key {
        name: "keyboard",
        kind: Kind::Keyboard,
        help: "The layout of a keyboard that is plugged into the device.",
        example: Sample::Text("de"),
        other_words: &["keymap", "keyboard_layout", "layout", "kbd"],
        feature: Some(Feature::Keyboard),
        ..PLAIN
    },
    Key {
        name: "autologin",
        help: "Whether a screen and keyboard at the device get in without a password.",
        example: Sample::Text("off"),
        fallback: Fallback::Text("off"),
        ..PLAIN
    },
    Key {
        name: "debug",
        help: "Whether the device writes down more about what it does, for whoever looks for a fault.",
        example: Sample::Text("off"),
        fallback: Fallback::Text("off"),
        ..PLAIN
    },
    Key {
        name: "swapfile",
        kind: Kind::Swap,
        help: "Room on the card that extends the memory: off, auto, or a size.",
        example: Sample::Text("512M"),
        fallback: Fallback::Text("off"),
        other_words: &["swap"],
        feature: Some(Feature::Swap),
        ..PLAIN
    },
];

pub(super) const TIME: Section<'static> = Section {
    name: "time",
    subject: SubjectKind::None,
    help: "The clock of the device.",
    keys: Keys::Fixed(&[&[
        Key {
            name: "ntp",
            kind: Kind::ServerOrOff,
            list: List::Words,
            help: "Time servers that set the clock, or off.",
            example: Sample::Text("pool.ntp.org"),
            other_words: &["server", "servers", "ntp_server", "timeserver"],
            feature: Some(Feature::Ntp),
            ..PLAIN
        },
        Key {
            name: "clock",
            kind: Kind::Moment,
            help: "The clock never shows an earlier time (UTC) than this. For devices without a network and without a \
                   battery for their clock.",
            example: Sample::Text("2026-11-23 12:00"),
            other_words: &["date", "time", "now"],
            ..PLAIN
        },
    ]]),
    feature: None,
};

pub(super) const PROXY: Section<'static> = Section {
    name: "proxy",
    subject: SubjectKind::None,
    help: "For networks in which the internet is reached through a proxy server.",
    keys: Keys::Fixed(&[&[
        Key {
            name: "http",
            kind: Kind::ProxyUrl,
            help: "The proxy for addresses that begin with http://.",
            example: Sample::Text("http://proxy.example.com:3128"),
            fallback: Fallback::Text("no proxy"),
            secret: true,
            aliases: &["http_proxy"],
            other_words: &["proxy", "server", "url"],
            ..PLAIN
        },
        Key {
            name: "https",
            kind: Kind::ProxyUrl,
            help: "The proxy for addresses that begin with https://; often the same.",
            example: Sample::Text("http://proxy.example.com:3128"),
            fallback: Fallback::Text("no proxy"),
            secret: true,
            aliases: &["https_proxy"],
            ..PLAIN
        },
        Key {
            name: "no_proxy",
            kind: Kind::HostPattern,
            list: List::Words,
            help: "Hosts, domains and networks that are reached without it.",
            example: Sample::Text("localhost, .example.com, 192.168.1.0/24"),
            fallback: Fallback::Text("none"),
            other_words: &["exclude", "except", "bypass"],
            ..PLAIN
        },
    ]]),
    feature: None,
};

pub(super) const STORAGE: Section<'static> = Section {
    name: "storage",
    subject: SubjectKind::None,
    help: "What the device keeps when it is switched off.",
    keys: Keys::Fixed(&[&[
        Key {
            name: "persistence",
            kind: Kind::Choice(&[
                choice("none", &["off", "no", "false"]),
                choice("paths", &["folders"]),
                choice("all", &["full", "everything"]),
            ]),
            help: "What is kept: none, paths (the folders that the maker of the device has chosen), or all.",
            example: Sample::Text("paths"),
            other_words: &["persist", "persistent"],
            ..PLAIN
        },
        Key {
            name: "factory_reset",
            kind: Kind::Text { max: 64 },
            help: "Deletes once what was kept, whenever a new word stands here.",
            example: Sample::Text("2026-11-23"),
            fallback: Fallback::Text("nothing is deleted"),
            other_words: &["reset", "wipe"],
            ..PLAIN
        },
    ]]),
    feature: Some(Feature::Storage),
};

pub(super) const UPDATE: Section<'static> = Section {
    name: "update",
    subject: SubjectKind::None,
    help: "New versions of the device's system.",
    keys: Keys::Fixed(&[&[
        Key {
            name: "url",
            kind: Kind::Url,
            help: "Where new versions are.",
            example: Sample::Text("https://updates.example.com/"),
            fallback: Fallback::Text("no updates"),
            other_words: &["server", "source", "feed"],
            ..PLAIN
        },
        Key {
            name: "auto",
            help: "Whether they are installed without being asked for.",
            example: Sample::Text("off"),
            fallback: Fallback::Text("off"),
            other_words: &["automatic", "enabled"],
            ..PLAIN
        },
    ]]),
    feature: Some(Feature::Update),
};

pub(super) const MATCH: Section<'static> = Section {
    name: "match",
    subject: SubjectKind::Machine,
    help: "Settings for one device of several that have the same system.ini. Behind match stands which: its hardware \
           (MAC) address, its serial number, or its model. A setting is written with its section in front, and there \
           replaces that of the rest of the file.",
    keys: Keys::Overrides,
    feature: None,
};
