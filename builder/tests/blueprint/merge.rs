//! `golden/merge/RULE/`: a `genpack.json5`, and what it comes to for `ARCH.json` or `ARCH+VARIANT.json`.

use genpack_builder::blueprint::BlueprintFile;

use crate::golden;

#[test]
fn every_rule_of_merging() {
    let mut differences = Vec::new();
    for folder in golden::entries(&golden::folder("merge")) {
        let file =
            BlueprintFile::load(&folder).unwrap_or_else(|error| panic!("{}: {error:#}", folder.display()));
        let expected: Vec<_> = golden::entries(&folder)
            .into_iter()
            .filter(|path| !path.ends_with("genpack.json5"))
            .collect();
        assert!(!expected.is_empty(), "{} expects nothing", folder.display());
        for path in expected {
            let name = golden::stem(&path);
            let (arch, variant) = match name.split_once('+') {
                Some((arch, variant)) => (arch, Some(variant)),
                None => (name.as_str(), None),
            };
            let blueprint = file.resolve(arch, variant).unwrap();
            let text = serde_json::to_string_pretty(&blueprint).unwrap() + "\n";
            differences.extend(golden::compare(&path, &text));
        }
    }
    golden::assert_none(differences);
}
