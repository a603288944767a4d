//! The JSON Schema by which editors complete names, show what they mean, and mark mistakes.
//!
//! It says of the structure what the reader says. What fields must be together (two users with one number, a default
//! outside of `min` and `max`), and what merging brings about, only the reader knows.

use serde_json::{Map, Value, json};

use super::fields::BLUEPRINT;
use super::profile::PROFILE;
use super::shape::{Field, Names, Record, Shape};

/// JSON Schema 2020-12 (<https://json-schema.org/draft/2020-12>).
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Returns the schema of `genpack.json5`.
pub fn blueprint_schema() -> Value {
    root(&BLUEPRINT, "genpack blueprint")
}

/// Returns the schema of a profile's file.
pub fn profile_schema() -> Value {
    root(&PROFILE, "genpack profile")
}

fn root(record: &Record, title: &str) -> Value {
    let mut schema = Map::new();
    schema.insert("$schema".into(), DRAFT.into());
    schema.insert("title".into(), title.into());
    schema.extend(object(record));
    Value::Object(schema)
}

fn object(record: &Record) -> Map<String, Value> {
    let fields = (record.fields)();
    let mut properties = Map::new();
    for field in &fields {
        properties.insert(field.name.into(), property(field));
    }
    let required: Vec<_> = fields
        .iter()
        .filter(|field| field.required)
        .map(|field| field.name)
        .collect();
    let mut schema = Map::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), properties.into());
    schema.insert("additionalProperties".into(), false.into());
    if !required.is_empty() {
        schema.insert("required".into(), required.into());
    }
    schema
}

fn property(field: &Field) -> Value {
    let mut schema = shape(field.shape);
    if field.nullable {
        schema = json!({ "anyOf": [schema, { "type": "null" }] });
    }
    let default = match field.default {
        "" | "none" => String::new(),
        _ if field.required => String::new(),
        default => format!(" Default: {}.", default.replace('`', "")),
    };
    schema["description"] = format!("{}{default}", field.help).into();
    schema
}

fn shape(of: Shape) -> Value {
    match of {
        Shape::Text(rule) if rule.pattern.is_empty() => json!({ "type": "string" }),
        Shape::Text(rule) => json!({ "type": "string", "pattern": rule.pattern }),
        Shape::Words(words) => json!({ "enum": words }),
        Shape::Bool => json!({ "type": "boolean" }),
        Shape::Integer(i64::MIN, i64::MAX) => json!({ "type": "integer" }),
        Shape::Integer(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
        Shape::List(item, None) => json!({ "type": "array", "items": shape(*item) }),
        Shape::List(item, Some(_)) => json!({ "type": "array", "items": shape(*item), "minItems": 1 }),
        Shape::OneOrList(item) => {
            let one = shape(*item);
            json!({ "anyOf": [one, { "type": "array", "items": one }] })
        }
        Shape::Object(record) => object(record).into(),
        Shape::NameOr(_, rule, record) => {
            json!({ "anyOf": [shape(Shape::Text(rule)), object(record)] })
        }
        Shape::Map(names) => named(names),
        Shape::Literal => {
            let one = json!({ "type": ["string", "integer", "boolean"] });
            json!({ "anyOf": [one, { "type": "array", "items": one }] })
        }
    }
}

fn named(names: &Names) -> Value {
    let mut schema = json!({
        "type": "object",
        "propertyNames": { "pattern": names.name.pattern },
        "additionalProperties": shape(names.value),
    });
    if names.empty.is_some() {
        schema["minProperties"] = 1.into();
    }
    schema
}
