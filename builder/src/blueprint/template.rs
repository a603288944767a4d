//! The text of a new blueprint: a small one that works, with every other field behind a comment.

use super::fields::BLUEPRINT;

/// Returns the text of a new `genpack.json5`.
pub fn template(name: &str) -> String {
    let mut text = String::from(
        "// What an appliance is made of: genpack check looks at it, genpack build builds it.\n{\n",
    );
    for (index, field) in (BLUEPRINT.fields)().iter().enumerate() {
        let quoted = format!("{name:?}");
        let (mark, value) = match field.name {
            "name" => ("", quoted.as_str()),
            "packages" => ("", "[\"openssh-server\"]"),
            "services" => ("", "[\"ssh\"]"),
            _ => ("// ", field.sample),
        };
        let gap = if index > 0 { "\n" } else { "" };
        let colon = match field.name.starts_with('$') {
            true => format!("{:?}", field.name),
            false => field.name.to_string(),
        };
        text += &format!("{gap}  // {}\n  {mark}{colon}: {value},\n", field.help);
    }
    text + "}\n"
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::blueprint::BlueprintFile;

    fn parse(text: String) -> BlueprintFile {
        let file = BlueprintFile::parse(Path::new("genpack.json5"), text, "");
        file.unwrap_or_else(|error| panic!("{}", error.render(false)))
    }

    #[test]
    fn a_new_blueprint_works() {
        let file = parse(template("web-1"));
        let blueprint = file.resolve("x86_64", None).unwrap();
        assert_eq!(
            (blueprint.name.to_string().as_str(), blueprint.services.len()),
            ("web-1", 1)
        );
        assert!(file.warnings().is_empty());
    }

    #[test]
    fn every_example_behind_a_comment_is_right() {
        let bare = |line: &str| match line.trim_start().strip_prefix("// ") {
            Some(rest) if rest.trim_end().ends_with(',') && rest.contains(": ") => rest.to_string(),
            _ => line.to_string(),
        };
        let text: Vec<_> = template("web").lines().map(bare).collect();
        let file = parse(text.join("\n"));
        assert_eq!(file.default_variant(), Some("debug"));
        for field in (BLUEPRINT.fields)() {
            assert!(
                !field.sample.is_empty() && field.help.ends_with('.'),
                "{}",
                field.name
            );
            let lines = text
                .iter()
                .filter(|line| line.trim_start_matches('"').starts_with(field.name));
            assert!(
                lines.count() > 0 || text.iter().any(|line| line.trim().starts_with(field.name)),
                "{}",
                field.name
            );
        }
    }
}
