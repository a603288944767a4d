//! What is left of a file when all that has the wrong shape is taken out: the rest can be looked at for further mistakes
//! without following up on those.

use super::judge::judge;
use super::node::{Entry, Node, Value};
use super::shape::{Record, Shape};

/// Returns what of a value has the right shape; nothing when it is wrong as a whole.
pub fn sound(node: &Node, shape: Shape) -> Option<Node> {
    if judge(node, shape).is_empty() {
        return Some(node.clone());
    }
    let value = match (shape, &node.value) {
        (Shape::List(item, _) | Shape::OneOrList(item), Value::List(items)) => {
            let good: Vec<_> = items.iter().filter_map(|node| sound(node, *item)).collect();
            // An empty list would say something else.
            (!good.is_empty()).then_some(Value::List(good))?
        }
        (Shape::Object(record), Value::Object(entries)) if !belong_together(record) => {
            let good = |entry: &Entry| {
                let mut fields = (record.fields)().into_iter();
                let field = fields.find(|field| field.is_named(&entry.name))?;
                match entry.node.value {
                    Value::Null => Some(entry.node.clone()),
                    _ => sound(&entry.node, field.shape),
                }
            };
            Value::Object(good_entries(entries, good))
        }
        (Shape::Map(names), Value::Object(entries)) => {
            let good = |entry: &Entry| {
                (names.name.check)(&entry.name).ok()?;
                sound(&entry.node, names.value)
            };
            Value::Object(good_entries(entries, good))
        }
        _ => return None,
    };
    Some(Node {
        place: node.place.clone(),
        value,
    })
}

/// Whether one field means nothing without the others.
fn belong_together(record: &Record) -> bool {
    record.rule.is_some() || (record.fields)().iter().any(|field| field.required)
}

/// Returns the good ones, each name once.
fn good_entries(entries: &[Entry], good: impl Fn(&Entry) -> Option<Node>) -> Vec<Entry> {
    let mut kept: Vec<Entry> = Vec::new();
    for entry in entries {
        if kept.iter().any(|other| other.name == entry.name) {
            continue;
        }
        kept.extend(good(entry).map(|node| Entry {
            node,
            name: entry.name.clone(),
            place: entry.place.clone(),
        }));
    }
    kept
}
