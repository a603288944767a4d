//! A blueprint's file: read once, checked for every architecture and variant, and merged for one of them.

use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};

use super::base::Base;
use super::fields::ARCHITECTURES;
use super::judge::{head, nearest};
use super::merge::merge;
use super::node::{Entry, Node, Value};
use super::problems::{InputError, Mention, Problem, Source};
use super::syntax;
use super::value::{Blueprint, DEFAULT_PROFILE, dedupe};
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
        let (file, mistakes) = BlueprintFile::load_with_mistakes(folder)?;
        Ok(InputError::unless_none(mistakes, file)?)
    }

    /// Does what [`BlueprintFile::load`] does, and returns every mistake with what is left of the file without those.
    ///
    /// # Errors
    /// [`InputError`] when nothing is left, because there is no blueprint, or it can't be read or is not JSON5.
    pub(crate) fn load_with_mistakes(folder: &Path) -> Result<(BlueprintFile, Vec<Problem>)> {
        let path = find(folder)?;
        let text = fs::read_to_string(&path)
            .map_err(|error| InputError::plain(format!("{} can't be read: {error}", path.display())))?;
        Ok(BlueprintFile::examine(&path, text, &name_of(folder))?)
    }

    /// Reads a blueprint from its text. `path` is what mistakes name, and `folder_name` its name when it has none.
    ///
    /// # Errors
    /// [`InputError`] with every mistake in it.
    pub fn parse(path: &Path, text: String, folder_name: &str) -> Result<BlueprintFile, InputError> {
        let (file, mistakes) = BlueprintFile::examine(path, text, folder_name)?;
        InputError::unless_none(mistakes, file)
    }

    fn examine(
        path: &Path,
        text: String,
        folder_name: &str,
    ) -> Result<(BlueprintFile, Vec<Problem>), InputError> {
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
        let mistakes = Problem::all_of(file.find_mistakes(), &file.source);
        match mistakes.is_empty() {
            true => file.warnings = file.find_warnings(),
            false => file.tree = file.sound_tree(),
        }
        Ok((file, mistakes))
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
        let variants = self.variants();
        // Without variants, the default is a mistake.
        let base = self.tree.field("default_variant").is_none() || variants.is_empty();
        let base = base.then_some(None).into_iter();
        base.chain(variants.into_iter().map(Some)).collect()
    }

    /// Returns the names of the profiles that something can be built for.
    pub(crate) fn profiles(&self) -> Vec<String> {
        let of = |merged: &Node| {
            let named = merged.field("profile").and_then(Node::text);
            named.unwrap_or(DEFAULT_PROFILE).to_string()
        };
        distinct(self.all_merged().iter().map(of))
    }

    /// Returns what something can be built from.
    pub(crate) fn bases(&self) -> Vec<Base> {
        let bases = self.all_merged();
        distinct(
            bases
                .iter()
                .filter_map(|merged| merged.field("base")?.read().ok()),
        )
    }

    /// Gives mistakes that were found while an image was built, and that are about something in this file, their places.
    /// Other errors stay as they are.
    pub fn locate(&self, error: anyhow::Error, arch: &str, variant: Option<&str>) -> anyhow::Error {
        let merged = [self.merged(arch, variant.and_then(|name| self.variant(name).ok()))];
        match error.downcast::<InputError>() {
            Ok(mistakes) => mistakes.map(|mistake| self.located(mistake, &merged)).into(),
            Err(other) => other,
        }
    }

    /// Gives a mistake that is about something in this file, for whatever architecture and variant, its place.
    pub(crate) fn locate_anywhere(&self, mistake: Problem) -> Problem {
        self.located(mistake, &self.all_merged())
    }

    fn located(&self, mistake: Problem, merged: &[Node]) -> Problem {
        let find = |mention| merged.iter().find_map(|merged| find_mention(merged, mention));
        match mistake.mention().and_then(find) {
            Some(place) if mistake.is_plain() => mistake.moved(place).of(&self.source),
            _ => mistake,
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
}

/// Returns where the fields that hold name something.
fn find_mention(merged: &Node, mention: &Mention) -> Option<Range<usize>> {
    let is_meant = |node: &&Node| {
        let name = node.text().or_else(|| node.field("name")?.text());
        // A unit without a suffix is a service.
        name.is_some_and(|name| name == mention.name || Some(name) == mention.name.strip_suffix(".service"))
    };
    let find = |field: &Node| {
        if let Some(entry) = field.entries().iter().find(|entry| entry.name == mention.name) {
            return Some(entry.place.clone());
        }
        let values = match field.value {
            Value::List(_) => field.items(),
            _ => std::slice::from_ref(field),
        };
        let node = values.iter().find(is_meant)?;
        Some(head(node.field("name").unwrap_or(node)))
    };
    let mut fields = mention.fields.iter().filter_map(|field| merged.field(field));
    fields.find_map(find)
}

fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    let mut values = values.collect();
    dedupe(&mut values);
    values
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

mod mistakes;
#[cfg(test)]
mod tests;
