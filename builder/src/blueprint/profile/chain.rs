//! Profiles' files: a profile, the one that it inherits from, and so on.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{PROFILE, RawProfile, is_part};
use crate::blueprint::judge::{head, judge, nearest};
use crate::blueprint::problems::{Problem, Source};
use crate::blueprint::shape::Shape;
use crate::blueprint::sound::sound;
use crate::blueprint::syntax;
use crate::blueprint::types::ProfileName;

/// A profile's file.
pub(super) struct ProfileFile {
    name: String,
    source: Arc<Source>,
    /// Where it names the profile that it adds to.
    inherits: Option<Range<usize>>,
    /// What of it has the right shape.
    pub(super) raw: RawProfile,
}

impl ProfileFile {
    /// Returns a mistake with the name that this profile inherits from.
    fn blame(&self, mistake: Problem) -> Problem {
        match &self.inherits {
            Some(place) => mistake.moved(place.clone()).of(&self.source),
            None => mistake,
        }
    }
}

/// A profile and those that it inherits from, the one with the name first.
#[derive(Default)]
pub(super) struct Chain {
    pub(super) files: Vec<ProfileFile>,
    pub(super) mistakes: Vec<Problem>,
}

/// Reads a profile and those that it inherits from, as far as they can be read.
pub(super) fn inherited(name: &str, folders: &[PathBuf]) -> Chain {
    let mut chain = Chain::default();
    let mut next = Some(name.to_string());
    while let Some(name) = next {
        if let Some(first) = chain.files.iter().position(|file| file.name == name) {
            chain.mistakes.push(circle(&chain.files[first..]));
            break;
        }
        let Some(path) = find(&name, folders) else {
            chain.mistakes.push(match chain.files.last() {
                Some(child) => child.blame(unknown(&name, folders, |_| true)),
                None => unknown(&name, folders, |name| !is_part(name, folders)),
            });
            break;
        };
        let text = fs::read_to_string(&path)
            .map_err(|error| Problem::plain(format!("{} can't be read: {error}", path.display())));
        match text.and_then(|text| parse(&name, &path, text)) {
            Ok((file, mistakes)) => {
                next = file.raw.inherits.clone();
                chain.files.push(file);
                chain.mistakes.extend(mistakes);
            }
            Err(mistake) => {
                chain.mistakes.push(mistake);
                break;
            }
        }
    }
    chain
}

/// Returns the mistake of profiles each of which inherits from the next, and the last from the first. Wherever one comes
/// into the circle, it is the same mistake.
fn circle(files: &[ProfileFile]) -> Problem {
    let names = || files.iter().map(|file| file.name.as_str());
    let first = names().zip(0..).min().map_or(0, |(_, index)| index);
    let around: Vec<_> = names().cycle().skip(first).take(files.len() + 1).collect();
    let label = format!(
        "the profile {} inherits from itself: {}",
        around[0],
        around.join(", ")
    );
    files[first].blame(Problem::plain(label))
}

/// Returns a profile's file, in the first folder that has it.
fn find(name: &str, folders: &[PathBuf]) -> Option<PathBuf> {
    name.parse::<ProfileName>().ok()?;
    let mut paths = folders.iter().map(|folder| folder.join(format!("{name}.json5")));
    paths.find(|path| path.is_file())
}

/// Returns the mistake that there is no profile of a name, with those that could stand in its place.
fn unknown(name: &str, folders: &[PathBuf], fits: impl Fn(&str) -> bool) -> Problem {
    let mut known: Vec<_> = folders.iter().flat_map(|folder| names_in(folder)).collect();
    known.retain(|name| fits(name));
    known.sort();
    known.dedup();
    let label = format!("there is no profile {name:?}; there is {}", known.join(", "));
    let problem = Problem::about(&["profile"], name, label);
    match nearest(name, known.iter().map(String::as_str)) {
        Some(help) => problem.with_help(help),
        None => problem,
    }
}

/// Returns the names of the profiles in a folder, which need not exist, sorted. Files that are called otherwise, such as an
/// editor's copies, are none.
pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".json5")?.to_string()))
        .filter(|name| name.parse::<ProfileName>().is_ok())
        .collect();
    names.sort();
    names
}

/// Reads the text of a profile; returns what has the right shape, and every mistake.
pub(super) fn parse(name: &str, path: &Path, text: String) -> Result<(ProfileFile, Vec<Problem>), Problem> {
    let source = Source::new(path, text);
    if source.text.trim().is_empty() {
        let message = format!("{} is empty; it begins with {{ and ends with }}", source.name);
        return Err(Problem::plain(message));
    }
    let tree = syntax::parse(&source.text).map_err(|problem| problem.of(&source))?;
    let mistakes = judge(&tree, Shape::Object(&PROFILE));
    let sound = sound(&tree, Shape::Object(&PROFILE));
    let raw = match &sound {
        Some(tree) => tree
            .read()
            .map_err(|error| Problem::plain(format!("{}: {error}", source.name)))?,
        None => RawProfile::default(),
    };
    let file = ProfileFile {
        name: name.to_string(),
        inherits: sound.and_then(|tree| Some(head(tree.field("inherits")?))),
        raw,
        source: source.clone(),
    };
    Ok((file, Problem::all_of(mistakes, &source)))
}
