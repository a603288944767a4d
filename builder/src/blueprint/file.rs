//! A blueprint's file: read once, checked for every architecture and variant, and merged for one of them.

use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::accounts::contradictions;
use super::base::too_much;
use super::fields::{ARCHITECTURES, BLUEPRINT};
use super::judge::{head, judge, nearest};
use super::merge::merge;
use super::node::{Entry, Node, Value};
use super::packages::join_packages;
use super::problems::{InputError, Mention, Problem, Source};
use super::shape::Shape;
use super::syntax;
use super::types::{ArtifactName, PackageName};
use super::value::{Blueprint, DEFAULT_PROFILE};
use crate::hash;

/// The blueprint's file name inside its folder.
pub const BLUEPRINT_FILE: &str = "genpack.json5";
/// The other name that it may have.
pub const PLAIN_JSON_FILE: &str = "genpack.json";

/// A blueprint's file in which no mistake was found, for any architecture and variant.
#[derive(Debug, Clone)]
pub struct BlueprintFile {
    path: PathBuf,
    source: Arc<Source>,
    tree: Node,
    folder_name: String,
    warnings: Vec<Problem>,
}

impl BlueprintFile {
    /// Reads the blueprint in `folder`.
    ///
    /// # Errors
    /// [`InputError`] with every mistake in it, or because there is none or it can't be read.
    pub fn load(folder: &Path) -> Result<BlueprintFile> {
        let path = find(folder)?;
        let text = fs::read_to_string(&path)
            .map_err(|error| InputError::plain(format!("{} can't be read: {error}", path.display())))?;
        Ok(BlueprintFile::parse(&path, text, &name_of(folder))?)
    }

    /// Reads a blueprint from its text. `path` is what mistakes name, and `folder_name` its name when it has none.
    ///
    /// # Errors
    /// [`InputError`] with every mistake in it.
    pub fn parse(path: &Path, text: String, folder_name: &str) -> Result<BlueprintFile, InputError> {
        let source = Source::new(path, text);
        if source.text.trim().is_empty() {
            let message = format!("{} is empty; it begins with {{ and ends with }}", source.name);
            return Err(InputError::plain(message));
        }
        let tree = syntax::parse(&source.text).map_err(|problem| problem.of(&source))?;
        let mut file = BlueprintFile {
            path: path.to_path_buf(),
            source,
            tree,
            folder_name: folder_name.to_string(),
            warnings: Vec::new(),
        };
        let mut problems = judge(&file.tree, Shape::Object(&BLUEPRINT));
        if problems.is_empty() {
            problems = file.check();
        }
        InputError::unless_none(Problem::all_of(problems, &file.source), ())?;
        file.warnings = file.find_warnings();
        Ok(file)
    }

    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the SHA-256 of the text that was read, in hexadecimal.
    pub fn sha256(&self) -> String {
        hash::text(&self.source.text)
    }

    /// Returns what the developer should know although the blueprint can be built.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Returns the names of the variants, in the file's order.
    pub fn variants(&self) -> Vec<&str> {
        self.variant_entries()
            .iter()
            .map(|entry| entry.name.as_str())
            .collect()
    }

    /// Returns the variant that is meant when none is named, if there is one.
    pub fn default_variant(&self) -> Option<&str> {
        self.tree.field("default_variant").and_then(Node::text)
    }

    /// Returns the blueprint for an architecture, by the name that `uname -m` has for it, and a variant; without one, the
    /// default variant, if there is one.
    ///
    /// # Errors
    /// [`InputError`] when there is no such variant.
    pub fn resolve(&self, arch: &str, variant: Option<&str>) -> Result<Blueprint> {
        self.resolve_exactly(arch, variant.or_else(|| self.default_variant()))
    }

    /// The same, and without a variant it is the base alone.
    pub(crate) fn resolve_exactly(&self, arch: &str, variant: Option<&str>) -> Result<Blueprint> {
        let part = match variant {
            Some(name) => Some(self.variant(name)?),
            None => None,
        };
        let merged = self.merged(arch, part);
        let mut blueprint: Blueprint = merged
            .read()
            .with_context(|| format!("reading {}", self.source.name))?;
        blueprint.variant = variant.map(String::from);
        blueprint.tidy();
        Ok(blueprint)
    }

    /// Returns every variant that can be built. The base alone is one unless there is a default variant, which stands for
    /// it.
    pub(crate) fn buildable(&self) -> Vec<Option<&str>> {
        let base = self.default_variant().is_none().then_some(None);
        base.into_iter()
            .chain(self.variants().into_iter().map(Some))
            .collect()
    }

    /// Returns the names of the profiles that something can be built for, with the place where each is named first.
    pub(crate) fn profiles(&self) -> Vec<(String, Option<Range<usize>>)> {
        let mut found: Vec<(String, Option<Range<usize>>)> = Vec::new();
        for merged in self.all_merged() {
            let node = merged.field("profile");
            let name = node.and_then(Node::text).unwrap_or(DEFAULT_PROFILE);
            if !found.iter().any(|(other, _)| other == name) {
                found.push((name.to_string(), node.map(|node| node.place.clone())));
            }
        }
        found
    }

    /// Returns a problem that is not in a file as one at a place of this one.
    pub(crate) fn blame(&self, problem: Problem, place: Option<&Range<usize>>) -> Problem {
        match place {
            Some(place) if problem.is_plain() => problem.moved(place.clone()).of(&self.source),
            _ => problem,
        }
    }

    /// Gives mistakes that were found while an image was built, and that are about something in this file, their places.
    /// Other errors stay as they are.
    pub fn locate(&self, error: anyhow::Error, arch: &str, variant: Option<&str>) -> anyhow::Error {
        let merged = self.merged(arch, variant.and_then(|name| self.variant(name).ok()));
        let located = |mistake: Problem| {
            let mention = mistake.mention();
            let place = mention.and_then(|mention| find_mention(&merged, mention));
            self.blame(mistake, place.as_ref())
        };
        match error.downcast::<InputError>() {
            Ok(mistakes) => mistakes.map(located).into(),
            Err(other) => other,
        }
    }

    fn variant_entries(&self) -> &[Entry] {
        self.tree.field("variants").map_or(&[], Node::entries)
    }

    fn variant(&self, name: &str) -> Result<&Node, InputError> {
        if let Some(entry) = self.variant_entries().iter().find(|entry| entry.name == name) {
            return Ok(&entry.node);
        }
        let names = self.variants();
        let there = match names.is_empty() {
            true => "it has none".to_string(),
            false => format!("there is {}", names.join(", ")),
        };
        let problem = Problem::plain(format!("{} has no variant {name:?}; {there}", self.source.name));
        Err(match nearest(name, names) {
            Some(help) => problem.with_help(help).into(),
            None => problem.into(),
        })
    }

    /// Returns the fields that hold, with a name.
    fn merged(&self, arch: &str, variant: Option<&Node>) -> Node {
        let mut merged = merge(&self.tree, arch, variant);
        if merged.field("name").is_none()
            && let Value::Object(fields) = &mut merged.value
        {
            let place = head(&self.tree);
            fields.push(Entry {
                name: "name".into(),
                place: place.clone(),
                node: Node {
                    place,
                    value: Value::Text(self.folder_name.clone()),
                },
            });
        }
        merged
    }

    /// Returns the parts of all variants that can be built; none for the base alone.
    fn forms(&self) -> Vec<Option<&Node>> {
        let part = |name: &str| self.variant_entries().iter().find(|entry| entry.name == name);
        let names = self.buildable().into_iter();
        names.map(|name| Some(&part(name?)?.node)).collect()
    }

    /// Returns the merged fields of all that can be built.
    fn all_merged(&self) -> Vec<Node> {
        let forms = self.forms();
        let for_arch = |arch| forms.iter().map(move |form| self.merged(arch, *form));
        ARCHITECTURES.into_iter().flat_map(for_arch).collect()
    }

    /// Looks for mistakes that only show when parts come together.
    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(node) = self.tree.field("default_variant")
            && let Err(unknown) = self.variant(node.text().unwrap_or_default())
        {
            let why = unknown.into_problems();
            problems.extend(why.iter().map(|why| why.clone().moved(node.place.clone())));
        }
        for merged in self.all_merged() {
            let mut found = judge(&merged, Shape::Object(&BLUEPRINT));
            found.extend(contradictions(&merged));
            found.extend(too_much(&merged));
            if found.is_empty() {
                found = unreadable(&merged);
            }
            for problem in found {
                if !problems.contains(&problem) {
                    problems.push(problem);
                }
            }
        }
        if let Some(why) = self.unusable_folder_name() {
            problems.retain(|problem| problem.label() != why);
            problems.push(
                Problem::at(head(&self.tree), "missing field \"name\"")
                    .with_help(format!("the folder's name can't stand in for it: {why}")),
            );
        }
        problems
    }

    /// Whether something that can be built has no name of its own.
    fn lacks_name(&self) -> bool {
        let named = |form: Option<&Node>| form.and_then(|form| form.field("name")).is_some();
        self.tree.field("name").is_none() && !self.forms().into_iter().all(named)
    }

    fn unusable_folder_name(&self) -> Option<String> {
        let parsed = self.folder_name.parse::<ArtifactName>();
        parsed.err().filter(|_| self.lacks_name())
    }

    fn find_warnings(&self) -> Vec<Problem> {
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
            for warning in in_the_image_anyway(&merged) {
                let warning = warning.of(&self.source);
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
        }
        warnings
    }
}

/// Returns where the fields that hold name something.
fn find_mention(merged: &Node, mention: &Mention) -> Option<Range<usize>> {
    let is_meant = |node: &&Node| {
        let name = node.text().or_else(|| node.field("name")?.text());
        // A unit without a suffix is a service.
        name.is_some_and(|name| name == mention.name || Some(name) == mention.name.strip_suffix(".service"))
    };
    let mut lists = mention.fields.iter().filter_map(|field| merged.field(field));
    let node = lists.find_map(|list| list.items().iter().find(is_meant))?;
    Some(head(node.field("name").unwrap_or(node)))
}

/// Returns what the types have against a field although the table has nothing: rules that only the type of a field knows.
fn unreadable(merged: &Node) -> Vec<Problem> {
    let name = merged.entries().iter().find(|entry| entry.name == "name");
    let read = |entry: &Entry| {
        // The name alone must be there; with it every field can be read by itself.
        let fields = name
            .filter(|name| name.name != entry.name)
            .into_iter()
            .chain([entry]);
        let alone = Node {
            place: merged.place.clone(),
            value: Value::Object(fields.cloned().collect()),
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

/// Returns the file in a folder that has the blueprint.
fn find(folder: &Path) -> Result<PathBuf> {
    if folder.is_file() {
        bail!(InputError::plain(format!(
            "{} is a file; name the folder that it is in: genpack build DIR",
            folder.display()
        )));
    }
    let there = |name: &str| -> Result<Option<PathBuf>> {
        let path = folder.join(name);
        match fs::symlink_metadata(&path) {
            Ok(_) => Ok(Some(path)),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
            Err(error) => bail!(InputError::plain(format!(
                "{} can't be read: {error}",
                path.display()
            ))),
        }
    };
    match (there(BLUEPRINT_FILE)?, there(PLAIN_JSON_FILE)?) {
        (Some(path), None) | (None, Some(path)) => Ok(path),
        (Some(_), Some(_)) => bail!(InputError::plain(format!(
            "there are two blueprints in {}, {BLUEPRINT_FILE} and {PLAIN_JSON_FILE}; remove {PLAIN_JSON_FILE}, which may \
             be an old one, when {BLUEPRINT_FILE} has all that it says",
            folder.display()
        ))),
        (None, None) => bail!(InputError::plain(format!(
            "there is no {BLUEPRINT_FILE} in {}; name the folder of a blueprint: genpack build DIR",
            folder.display()
        ))),
    }
}

/// Returns the name of a folder; empty when it has none, as `/`.
pub fn name_of(folder: &Path) -> String {
    // `.` has no name of its own, and the name that a link has is the one that the developer knows.
    let named = std::path::absolute(folder)
        .ok()
        .filter(|path| path.file_name().is_some());
    let path = named.or_else(|| folder.canonicalize().ok()).unwrap_or_default();
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests;
