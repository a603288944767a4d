//! What is wrong with a whole file, or worth a look.

use super::BlueprintFile;
use crate::blueprint::accounts::contradictions;
use crate::blueprint::base::too_much;
use crate::blueprint::fields::{ARCHITECTURES, BLUEPRINT};
use crate::blueprint::judge::{head, judge};
use crate::blueprint::merge::merge;
use crate::blueprint::node::{Entry, Node, Value};
use crate::blueprint::packages::join_packages;
use crate::blueprint::persist::without_partition;
use crate::blueprint::problems::Problem;
use crate::blueprint::shape::Shape;
use crate::blueprint::sound::sound;
use crate::blueprint::types::{ArtifactName, PackageName};
use crate::blueprint::value::Blueprint;

impl BlueprintFile {
    /// Returns every mistake: of single fields, and of what has the right shape those that only show when parts come
    /// together.
    pub(super) fn find_mistakes(&self) -> Vec<Problem> {
        let mut problems = judge(&self.tree, Shape::Object(&BLUEPRINT));
        let tree = self.sound_tree();
        problems.extend(self.unknown_default(&tree));
        for variant in self.buildable() {
            for arch in ARCHITECTURES {
                let merged = form(&tree, arch, variant);
                // What can't be used is there all the same.
                let as_written = form(&self.tree, arch, variant);
                let mut found = judge(&merged, Shape::Object(&BLUEPRINT));
                found.extend(contradictions(&merged));
                found.extend(too_much(&merged));
                found.extend(without_partition(&merged, as_written.field("persist")));
                found.extend(unreadable(&merged));
                Problem::add(&mut problems, found);
            }
        }
        problems.extend(self.unusable_folder_name().map(|why| {
            Problem::at(head(&self.tree), "missing field \"name\"")
                .with_help(format!("the folder's name can't stand in for it: {why}"))
        }));
        problems
    }

    /// Returns the fields without what has the wrong shape.
    pub(super) fn sound_tree(&self) -> Node {
        sound(&self.tree, Shape::Object(&BLUEPRINT)).unwrap_or_else(|| Node {
            place: self.tree.place.clone(),
            value: Value::Object(Vec::new()),
        })
    }

    fn unknown_default(&self, sound: &Node) -> Vec<Problem> {
        let default = sound.field("default_variant");
        let (Some(node), None | Some(Value::Object(_))) =
            (default, self.tree.field("variants").map(|node| &node.value))
        else {
            return Vec::new();
        };
        let unknown = self.variant(node.text().unwrap_or_default()).err();
        let problems = unknown.into_iter().flat_map(|unknown| unknown.into_problems());
        problems
            .map(|problem| problem.moved(node.place.clone()))
            .collect()
    }

    /// Whether something that can be built has no name of its own.
    fn lacks_name(&self) -> bool {
        let has_name = |node: &Node| node.entries().iter().any(|entry| entry.name == "name");
        let named = |form: Option<&Node>| form.is_some_and(has_name);
        matches!(self.tree.value, Value::Object(_))
            && !has_name(&self.tree)
            && !self.forms().into_iter().all(named)
    }

    fn unusable_folder_name(&self) -> Option<String> {
        let parsed = self.folder_name.parse::<ArtifactName>();
        parsed.err().filter(|_| self.lacks_name())
    }

    /// Returns what the developer should know although the blueprint can be built.
    pub(super) fn find_warnings(&self) -> Vec<Problem> {
        let mut warnings = Vec::new();
        if self.lacks_name() {
            let label = format!("no name; the folder's is taken: {}", self.folder_name);
            let help = format!(
                "write name: {:?}, so that it stays when the folder is called otherwise",
                self.folder_name
            );
            warnings.push(
                Problem::at(head(&self.tree), label)
                    .with_help(help)
                    .of(&self.source),
            );
        }
        for merged in self.all_merged() {
            let found = in_the_image_anyway(&merged).into_iter();
            Problem::add(&mut warnings, found.map(|warning| warning.of(&self.source)));
        }
        warnings
    }
}

/// Returns the fields of a tree that hold for an architecture and a variant.
fn form(tree: &Node, arch: &str, variant: Option<&str>) -> Node {
    let part = |name: &str| {
        let variants = tree.field("variants")?.entries();
        Some(&variants.iter().find(|entry| entry.name == name)?.node)
    };
    merge(tree, arch, variant.and_then(part))
}

/// Returns what the types have against a field although the table has nothing: rules that only the type of a field knows.
fn unreadable(merged: &Node) -> Vec<Problem> {
    let read = |entry: &Entry| {
        // The name alone must be there; with one, every field can be read by itself.
        let name = Entry {
            name: "name".into(),
            place: entry.place.clone(),
            node: Node {
                place: entry.place.clone(),
                value: Value::Text("name".into()),
            },
        };
        let others = (entry.name != name.name).then_some(name);
        let alone = Node {
            place: merged.place.clone(),
            value: Value::Object(others.into_iter().chain([entry.clone()]).collect()),
        };
        let error = alone.read::<Blueprint>().err()?;
        Some(Problem::at(head(&entry.node), error.to_string()))
    };
    merged.entries().iter().filter_map(read).collect()
}

/// Returns the packages that are there for the build only, and are in the image all the same.
fn in_the_image_anyway(merged: &Node) -> Vec<Problem> {
    let wanted = |field: &str| -> Vec<String> {
        let list: Option<Vec<PackageName>> = merged.field(field).and_then(|list| list.read().ok());
        join_packages([list.unwrap_or_default().as_slice()])
    };
    let (packages, for_the_build) = (wanted("packages"), wanted("buildtime_packages"));
    let both = |node: &&Node| {
        let name = node.text().unwrap_or_default();
        [&packages, &for_the_build]
            .iter()
            .all(|list| list.iter().any(|other| other == name))
    };
    let list = merged.field("buildtime_packages").map_or(&[][..], Node::items);
    let warn = |node: &Node| {
        let label = format!(
            "{} is in packages, too, so it stays in the image",
            node.text().unwrap_or_default()
        );
        Problem::at(node.place.clone(), label).with_help("name it in one of them only")
    };
    list.iter().filter(both).map(warn).collect()
}
