//! One blueprint out of the parts of a file: base, its architecture's part, the variant, and the variant's part for the
//! architecture, by genpack's published rules.

use super::node::{Entry, Node, Value};

/// Fields that say when others hold, rather than something of their own.
const CONDITIONS: [&str; 3] = ["arch", "variants", "default_variant"];
/// Lists in which a later entry may take back an earlier one; they are joined where that is known.
const WITH_REMOVALS: [&str; 2] = ["packages", "buildtime_packages"];

/// Returns the fields that hold for an architecture and a variant. Lists are joined, and a text that is there already is
/// not added; in objects a later field wins over an earlier one of the same name, as do all other values. `null` takes a
/// value back.
pub fn merge(file: &Node, arch: &str, variant: Option<&Node>) -> Node {
    let mut merged = Vec::new();
    for part in [Some(file), variant].into_iter().flatten() {
        add(&mut merged, part);
        for condition in part.field("arch").map_or(&[][..], Node::entries) {
            if condition.name.split('|').any(|name| name == arch) {
                add(&mut merged, &condition.node);
            }
        }
    }
    merged.retain(|entry: &Entry| !matches!(entry.node.value, Value::Null));
    Node {
        place: file.place.clone(),
        value: Value::Object(merged),
    }
}

fn add(merged: &mut Vec<Entry>, part: &Node) {
    let fields = part.entries().iter();
    for field in fields.filter(|field| !CONDITIONS.contains(&field.name.as_str())) {
        match merged.iter_mut().find(|entry| entry.name == field.name) {
            None => merged.push(field.clone()),
            Some(entry) => combine(entry, field),
        }
    }
}

fn combine(old: &mut Entry, new: &Entry) {
    match (&mut old.node.value, &new.node.value) {
        (Value::List(items), Value::List(more)) => {
            let before = items.len();
            for item in more {
                let text = item
                    .text()
                    .filter(|_| !WITH_REMOVALS.contains(&new.name.as_str()));
                let there = |text: &str| items[..before].iter().any(|other| other.text() == Some(text));
                if !text.is_some_and(there) {
                    items.push(item.clone());
                }
            }
        }
        (Value::Object(fields), Value::Object(more)) => {
            for field in more {
                match fields.iter_mut().find(|entry| entry.name == field.name) {
                    None => fields.push(field.clone()),
                    Some(entry) => *entry = field.clone(),
                }
            }
        }
        _ => *old = new.clone(),
    }
}
