//! Compares a file with what it may say, and finds every mistake.

use std::ops::Range;

use super::node::{Entry, Node, Value};
use super::problems::Problem;
use super::shape::{Field, Names, Record, Shape, TextRule};

/// Returns everything that is wrong with a value.
pub fn judge(node: &Node, shape: Shape) -> Vec<Problem> {
    let mut problems = Vec::new();
    any(node, shape, &mut problems);
    problems
}

/// Returns where a caret for a value stands: below a text or number, and below the bracket that opens a list or object.
pub fn head(node: &Node) -> Range<usize> {
    match node.value {
        Value::List(_) | Value::Object(_) => node.place.start..node.place.start + 1,
        _ => node.place.clone(),
    }
}

/// Returns a hint when one of the names is much like `wrong`.
pub fn nearest<'n>(wrong: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    names
        .into_iter()
        .map(|name| (strsim::jaro_winkler(wrong, name), name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| format!("did you mean {name:?}?"))
}

fn any(node: &Node, shape: Shape, problems: &mut Vec<Problem>) {
    match (shape, &node.value) {
        (Shape::Text(rule), Value::Text(text)) => by_rule(rule, text, &node.place, problems),
        (Shape::Text(_), _) => problems.push(expected(
            node,
            "a string",
            Some("strings stand in quotes: \"like this\""),
        )),
        (Shape::Words(words), Value::Text(text)) if !words.contains(&text.as_str()) => {
            let problem = Problem::at(
                node.place.clone(),
                format!("{text:?} is none of {}", quoted(words)),
            );
            problems.push(helped(problem, nearest(text, words.iter().copied())));
        }
        (Shape::Words(_), Value::Text(_)) | (Shape::Bool, Value::Bool(_)) => {}
        (Shape::Words(words), _) => problems.push(expected(node, &format!("one of {}", quoted(words)), None)),
        (Shape::Bool, _) => problems.push(expected(node, "true or false", None)),
        (Shape::Integer(least, most), Value::Integer(number)) => {
            if !(least..=most).contains(number) {
                let label = format!("{number} is not between {least} and {most}");
                problems.push(Problem::at(node.place.clone(), label));
            }
        }
        (Shape::Integer(least, most), Value::Float(number)) if number.fract() == 0.0 => {
            let label = match *number > 0.0 {
                true => format!("this number is too large; {most} is the largest that can stand here"),
                false => format!("this number is too small; {least} is the smallest that can stand here"),
            };
            problems.push(Problem::at(node.place.clone(), label));
        }
        (Shape::Integer(..), Value::Float(_)) => problems.push(expected(node, "a whole number", None)),
        (Shape::Integer(..), _) => problems.push(expected(node, "a number", None)),
        (Shape::List(_, Some(why)), Value::List(items)) if items.is_empty() => {
            problems.push(Problem::at(node.place.clone(), why));
        }
        (Shape::List(item, _) | Shape::OneOrList(item), Value::List(items)) => {
            items.iter().for_each(|node| any(node, *item, problems));
        }
        (Shape::List(..), _) => {
            let help = "lists stand in brackets: [\"a\", \"b\"]";
            problems.push(expected(node, "a list", Some(help)));
        }
        (Shape::OneOrList(item), _) => any(node, *item, problems),
        (Shape::NameOr(_, rule, _), Value::Text(text)) => by_rule(rule, text, &node.place, problems),
        (Shape::Object(record) | Shape::NameOr(_, _, record), Value::Object(entries)) => {
            fields(node, entries, record, problems);
        }
        (Shape::NameOr(what, ..), _) => problems.push(expected(node, what, None)),
        (Shape::Map(names), Value::Object(entries)) => named(node, entries, names, problems),
        (Shape::Object(_) | Shape::Map(_), _) => {
            let help = "objects stand in braces: { name: value }";
            problems.push(expected(node, "an object", Some(help)));
        }
        (Shape::Literal, Value::Bool(_) | Value::Integer(_) | Value::Text(_)) => {}
        (Shape::Literal, Value::List(items)) => items.iter().for_each(|node| any(node, shape, problems)),
        (Shape::Literal, _) => {
            let what = "a string, a whole number, true, false, or a list of these";
            problems.push(expected(node, what, None));
        }
    }
}

fn expected(node: &Node, what: &str, help: Option<&str>) -> Problem {
    helped(
        Problem::at(head(node), format!("{what} was expected here")),
        help.map(String::from),
    )
}

fn helped(problem: Problem, help: Option<String>) -> Problem {
    match help {
        Some(help) => problem.with_help(help),
        None => problem,
    }
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<_> = words.iter().map(|word| format!("{word:?}")).collect();
    words.join(", ")
}

fn by_rule(rule: &TextRule, text: &str, place: &Range<usize>, problems: &mut Vec<Problem>) {
    if let Err(why) = (rule.check)(text) {
        problems.push(Problem::at(place.clone(), why));
    }
}

fn fields(node: &Node, entries: &[Entry], record: &Record, problems: &mut Vec<Problem>) {
    let before = problems.len();
    let known = (record.fields)();
    let mut seen: Vec<&str> = Vec::new();
    for entry in entries {
        let Some(field) = known.iter().find(|field| field.is_named(&entry.name)) else {
            problems.push(unknown(entry, &known, record.refused));
            continue;
        };
        if seen.contains(&field.name) {
            let label = format!("duplicate field {:?}", field.name);
            problems.push(Problem::at(entry.place.clone(), label));
        }
        seen.push(field.name);
        if !(field.nullable && matches!(entry.node.value, Value::Null)) {
            any(&entry.node, field.shape, problems);
        }
    }
    for field in known {
        if field.required && !seen.contains(&field.name) {
            problems.push(Problem::at(head(node), format!("missing field {:?}", field.name)));
        }
    }
    if let Some(rule) = record.rule
        && problems.len() == before
    {
        problems.extend(rule(node));
    }
}

fn unknown(entry: &Entry, known: &[&'static Field], refused: &[(&str, &str)]) -> Problem {
    let (name, place) = (&entry.name, entry.place.clone());
    let with_underscores = name.replace('-', "_");
    if known.iter().any(|field| field.name == with_underscores) {
        let label = format!("{name:?} is an old name");
        return Problem::at(place, label).with_help(format!("write {with_underscores}"));
    }
    if let Some((_, why)) = refused.iter().find(|(name, _)| *name == with_underscores) {
        return Problem::at(place, format!("{name:?} has no meaning here")).with_help(*why);
    }
    let names: Vec<_> = known.iter().map(|field| field.name).collect();
    let label = format!("unknown field {name:?}, expected one of {}", quoted(&names));
    helped(Problem::at(place, label), nearest(name, names))
}

fn named(node: &Node, entries: &[Entry], names: &Names, problems: &mut Vec<Problem>) {
    if let (true, Some(why)) = (entries.is_empty(), names.empty) {
        problems.push(Problem::at(head(node), why));
    }
    for (index, entry) in entries.iter().enumerate() {
        by_rule(&names.name, &entry.name, &entry.place, problems);
        let same = |other: &&Entry| (names.folded)(&other.name) == (names.folded)(&entry.name);
        if let Some(other) = entries[..index].iter().find(same) {
            let label = match other.name == entry.name {
                true => format!("{} is declared twice", entry.name),
                false => format!("{} and {} {}", entry.name, other.name, names.clash),
            };
            problems.push(Problem::at(entry.place.clone(), label));
        }
        any(&entry.node, names.value, problems);
    }
}
