//! Users and groups of a blueprint.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use genpack_spec::types::UserName;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize as DeriveDeserialize, Serialize};

use super::judge::head;
use super::node::{Node, Value};
use super::problems::Problem;
use super::shape::{Field, Record, Shape, TextRule};

/// Numbers that an account may have: 0 is root's, 65534 nobody's, and 65535 stands for "none" in 16 bits
/// (<https://systemd.io/UIDS-GIDS/>). Above, an ordinary user's build can't own files: it has 65,536 numbers.
const NUMBER: Shape = Shape::Integer(1, 65533);

/// A user in a list of users.
pub static USER_OR_NAME: Shape =
    Shape::NameOr("a user's name or an object that describes one", &USER_NAME, &USER);
/// A group in a list of groups.
pub static GROUP_OR_NAME: Shape = Shape::NameOr(
    "a group's name or an object that describes one",
    &GROUP_NAME,
    &GROUP,
);

static USER_NAME: TextRule = TextRule {
    pattern: "^[a-z_][a-z0-9_-]{0,31}$",
    check: |name| plain_name(name, "a user's"),
};
static GROUP_NAME: TextRule = TextRule {
    pattern: USER_NAME.pattern,
    check: |name| plain_name(name, "a group's"),
};

/// A name as useradd(8) and groupadd(8) of Debian take them without `--badname`.
fn plain_name(name: &str, whose: &str) -> Result<(), String> {
    if name == "root" {
        return Err("root is there already, in every system".into());
    }
    match name.parse::<UserName>() {
        Ok(_) => Ok(()),
        Err(_) => Err(format!(
            "{name:?} can't be {whose} name; letters in lower case, digits, - and _ can"
        )),
    }
}

static SOME_GROUP: TextRule = TextRule {
    pattern: "^[A-Za-z_][A-Za-z0-9_.-]{0,31}$",
    check: some_group,
};
static SOME_GROUP_ITEM: Shape = Shape::Text(&SOME_GROUP);
static ABSOLUTE: TextRule = TextRule {
    pattern: r"^/[^:\n]*$",
    check: |text| match text.starts_with('/') && !text.contains([':', '\n', '\0']) {
        true => Ok(()),
        false => Err(format!("{text:?} is not a path from / on, without a colon")),
    },
};
static COMMENT: TextRule = TextRule {
    pattern: r"^[^:\n]*$",
    check: |text| match text.contains([':', '\n', '\0']) {
        true => Err("a comment is one line without a colon".into()),
        false => Ok(()),
    },
};

static USER: Record = Record {
    fields: || USER_FIELDS.iter().collect(),
    refused: &[],
    rule: None,
};

/// Fields of a user.
pub static USER_FIELDS: [Field; 9] = [
    Field::new("name", Shape::Text(&USER_NAME), "Login name.").required(),
    Field::new("uid", NUMBER, "User number.").default("the next free one"),
    Field::new("comment", Shape::Text(&COMMENT), "Full name or purpose."),
    Field::new("home", Shape::Text(&ABSOLUTE), "Home folder.").default("as `useradd` chooses"),
    Field::new("shell", Shape::Text(&ABSOLUTE), "Login shell.").default("`/bin/bash`"),
    Field::new("initial_group", Shape::Text(&SOME_GROUP), "Primary group.")
        .default("a group of the user's own name")
        .hyphens(),
    Field::new(
        "additional_groups",
        Shape::OneOrList(&SOME_GROUP_ITEM),
        "Further groups.",
    )
    .default("empty")
    .hyphens(),
    Field::new("create_home", Shape::Bool, "Whether the home folder is made.")
        .default("true")
        .hyphens(),
    Field::new(
        "empty_password",
        Shape::Bool,
        "Whether anybody may log in at the console without a password.",
    )
    .default("false")
    .hyphens(),
];

static GROUP: Record = Record {
    fields: || GROUP_FIELDS.iter().collect(),
    refused: &[],
    rule: None,
};

/// Fields of a group.
pub static GROUP_FIELDS: [Field; 2] = [
    Field::new("name", Shape::Text(&GROUP_NAME), "Name of the group.").required(),
    Field::new("gid", NUMBER, "Group number.").default("the next free one"),
];

/// Checks the name of a group that may be one of a package's own, such as `Debian-exim`.
fn some_group(name: &str) -> Result<(), String> {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    match begins && name.len() <= 32 && name.chars().all(good) {
        true => Ok(()),
        false => Err(format!(
            "{name:?} can't be a group's name; letters, digits, -, _ and . can, and no number alone"
        )),
    }
}

/// An account: in the file a name, or an object with these fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Login name.
    pub name: String,
    /// Number; the next free one when absent.
    pub uid: Option<u32>,
    /// Full name or purpose.
    pub comment: Option<String>,
    /// Home folder.
    pub home: Option<String>,
    /// Login shell.
    pub shell: Option<String>,
    /// Primary group; one of the user's own name when absent.
    pub initial_group: Option<String>,
    /// Further groups.
    pub additional_groups: Vec<String>,
    /// Whether the home folder is made.
    pub create_home: bool,
    /// Whether the account can be used without a password. Otherwise it has none that anyone could type.
    pub empty_password: bool,
}

/// A group: in the file a name, or an object with these fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Number; the next free one when absent.
    pub gid: Option<u32>,
}

#[derive(DeriveDeserialize)]
struct UserFields {
    name: String,
    uid: Option<u32>,
    comment: Option<String>,
    home: Option<String>,
    shell: Option<String>,
    #[serde(alias = "initial-group")]
    initial_group: Option<String>,
    #[serde(default, alias = "additional-groups", deserialize_with = "one_or_list")]
    additional_groups: Vec<String>,
    #[serde(default = "yes", alias = "create-home")]
    create_home: bool,
    #[serde(default, alias = "empty-password")]
    empty_password: bool,
}

fn yes() -> bool {
    true
}

fn one_or_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct OneOrList;

    impl<'de> Visitor<'de> for OneOrList {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a string or a list of strings")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_string()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            let mut names = Vec::<String>::deserialize(de::value::SeqAccessDeserializer::new(list))?;
            super::value::dedupe(&mut names);
            Ok(names)
        }
    }

    deserializer.deserialize_any(OneOrList)
}

#[derive(DeriveDeserialize)]
struct GroupFields {
    name: String,
    gid: Option<u32>,
}

/// A value that is a name, or an object with more about it.
struct NameOr<F>(PhantomData<F>);

impl<'de, F: Deserialize<'de>> Visitor<'de> for NameOr<F> {
    type Value = Result<F, String>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a name or an object")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Err(name.to_string()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        F::deserialize(de::value::MapAccessDeserializer::new(map)).map(Ok)
    }
}

impl<'de> Deserialize<'de> for User {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields = match deserializer.deserialize_any(NameOr::<UserFields>(PhantomData))? {
            Ok(fields) => fields,
            Err(name) => UserFields {
                name,
                uid: None,
                comment: None,
                home: None,
                shell: None,
                initial_group: None,
                additional_groups: Vec::new(),
                create_home: true,
                empty_password: false,
            },
        };
        Ok(User {
            name: fields.name,
            uid: fields.uid,
            comment: fields.comment,
            home: fields.home,
            shell: fields.shell,
            initial_group: fields.initial_group,
            additional_groups: fields.additional_groups,
            create_home: fields.create_home,
            empty_password: fields.empty_password,
        })
    }
}

impl<'de> Deserialize<'de> for Group {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(
            match deserializer.deserialize_any(NameOr::<GroupFields>(PhantomData))? {
                Ok(fields) => Group {
                    name: fields.name,
                    gid: fields.gid,
                },
                Err(name) => Group { name, gid: None },
            },
        )
    }
}

/// Something with a name and perhaps a number, each of which belongs to one only.
trait Account: for<'de> Deserialize<'de> + PartialEq {
    const WHAT: &str;
    fn name(&self) -> &str;
    fn number(&self) -> Option<u32>;
}

impl Account for User {
    const WHAT: &str = "user";

    fn name(&self) -> &str {
        &self.name
    }

    fn number(&self) -> Option<u32> {
        self.uid
    }
}

impl Account for Group {
    const WHAT: &str = "group";

    fn name(&self) -> &str {
        &self.name
    }

    fn number(&self) -> Option<u32> {
        self.gid
    }
}

/// Returns contradictions between users, and between groups, of a blueprint whose fields are right by themselves. The same
/// account said twice in the same way is none.
pub fn contradictions(blueprint: &Node) -> Vec<Problem> {
    let mut problems = clashes::<User>(blueprint.field("users"));
    problems.extend(clashes::<Group>(blueprint.field("groups")));
    problems
}

fn clashes<A: Account>(list: Option<&Node>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen: Vec<A> = Vec::new();
    for node in list.map_or(&[][..], Node::items) {
        let Ok(account) = node.read::<A>() else { continue };
        if seen.contains(&account) {
            continue;
        }
        let (what, name) = (A::WHAT, account.name());
        if seen.iter().any(|other| other.name() == name) {
            let label = format!("the {what} {name} is described twice, in different ways");
            let help = format!(
                "say everything about {name} in one place; what a variant says of a {what} is not mixed in"
            );
            problems.push(Problem::at(place_of(node, "name"), label).with_help(help));
        } else if let Some(number) = account.number()
            && let Some(other) = seen.iter().find(|other| other.number() == Some(number))
        {
            let label = format!("the {what} {} has the number {number}, too", other.name());
            let field = ["uid", "gid"].iter().find(|field| node.field(field).is_some());
            problems.push(Problem::at(place_of(node, field.unwrap_or(&"name")), label));
        }
        seen.push(account);
    }
    problems
}

fn place_of(node: &Node, field: &str) -> Range<usize> {
    match &node.value {
        Value::Object(_) => node.field(field).map_or_else(|| head(node), head),
        _ => head(node),
    }
}
