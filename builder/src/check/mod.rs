//! `genpack check`: everything that can be known of a blueprint's folder without building it.

pub mod files;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::blueprint::{
    self, ARCHITECTURES, Blueprint, BlueprintFile, FILES_DIR, InputError, PROFILES_DIR, Problem,
};
use crate::cli;
use crate::install_dirs::InstallDirs;

/// What is checked, and how the answer looks.
#[derive(Args)]
pub struct CheckArguments {
    /// Folder of the blueprint, genpack.json5
    #[arg(default_value = ".", value_name = "DIR")]
    folder: PathBuf,
    /// A profile to check beside those that the blueprint names
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// How to print what was found
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Text,
    Json,
}

/// What was found in a blueprint's folder.
#[derive(Debug, Default)]
pub struct Findings {
    /// The blueprint's file; none when it can't be used.
    pub file: Option<PathBuf>,
    /// What keeps it from being built.
    pub mistakes: Vec<Problem>,
    /// What may be meant as it is.
    pub warnings: Vec<Problem>,
}

/// Runs the command; returns 0, and 2 when there are mistakes.
pub fn run(arguments: &CheckArguments) -> Result<ExitCode> {
    let dirs = InstallDirs::of_running_program()?;
    let found = check(&arguments.folder, arguments.profile.as_deref(), &dirs.profiles());
    if arguments.format == Format::Json {
        let records = |problems: &[Problem]| json!(problems.iter().map(Problem::record).collect::<Vec<_>>());
        let page = json!({ "mistakes": records(&found.mistakes), "warnings": records(&found.warnings) });
        println!("{page:#}");
        return Ok(match found.mistakes.is_empty() {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(cli::INPUT_MISTAKE),
        });
    }
    cli::warn(&found.warnings);
    if let Err(mistakes) = InputError::unless_none(found.mistakes, ()) {
        bail!(mistakes);
    }
    if let Some(file) = found.file {
        println!("{}: fine", file.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Checks the blueprint in `folder` for every architecture and variant, the profiles that it names or brings along,
/// `profile`, and `files/`. `profiles` is the folder of those that came with genpack.
pub fn check(folder: &Path, profile: Option<&str>, profiles: &Path) -> Findings {
    let mut found = Findings::default();
    let own = folder.join(PROFILES_DIR);
    let folders = [own.clone(), profiles.to_path_buf()];
    let mut needed: Vec<String> = profile.map(String::from).into_iter().collect();
    let file = match BlueprintFile::load(folder) {
        Ok(file) => Some(file),
        Err(error) => {
            found.mistakes.extend(problems_of(error));
            None
        }
    };
    let mut blueprints = Vec::new();
    if let Some(file) = &file {
        found.file = Some(file.path().to_path_buf());
        found.warnings.extend(file.warnings().iter().cloned());
        blueprints = all(file, &mut found);
        for (name, blame) in file.profiles() {
            let problems = blueprint::load_profile(&name, &folders).err();
            let problems = problems.into_iter().flat_map(InputError::into_problems);
            add(
                &mut found.mistakes,
                problems.map(|problem| file.blame(problem, blame.as_ref())),
            );
            needed.retain(|needed| *needed != name);
        }
    }
    for name in needed {
        let problems = blueprint::load_profile(&name, &folders).err();
        add(
            &mut found.mistakes,
            problems.into_iter().flat_map(InputError::into_problems),
        );
    }
    for name in blueprint::names_in(&own) {
        let problems = blueprint::check_profile(&name, &folders).err();
        add(
            &mut found.mistakes,
            problems.into_iter().flat_map(InputError::into_problems),
        );
    }
    for blueprint in &blueprints {
        let place = blueprint.base.place().map(|place| folder.join(place));
        if let Some(Err(error)) = place.as_ref().map(fs::metadata) {
            let place = place.as_deref().unwrap_or(folder).display();
            add(
                &mut found.mistakes,
                [Problem::plain(format!(
                    "base: is {:?}, and {place} can't be read: {error}",
                    blueprint.base.to_string()
                ))],
            );
        }
    }
    let files = files::check(&folder.join(FILES_DIR), &blueprints);
    found.mistakes.extend(files.mistakes);
    found.warnings.extend(files.warnings);
    found
}

/// Returns the blueprint for each architecture and each variant that can be built.
fn all(file: &BlueprintFile, found: &mut Findings) -> Vec<Blueprint> {
    let mut blueprints = Vec::new();
    for variant in file.buildable() {
        for arch in ARCHITECTURES {
            match file.resolve_exactly(arch, variant) {
                Ok(blueprint) => blueprints.push(blueprint),
                Err(error) => add(&mut found.mistakes, problems_of(error)),
            }
        }
    }
    blueprints
}

fn problems_of(error: anyhow::Error) -> Vec<Problem> {
    match error.downcast::<InputError>() {
        Ok(mistakes) => mistakes.into_problems(),
        Err(error) => vec![Problem::plain(format!("{error:#}"))],
    }
}

/// Adds what is not there yet: profiles inherit from the same ones.
fn add(problems: &mut Vec<Problem>, more: impl IntoIterator<Item = Problem>) {
    for problem in more {
        if !problems.contains(&problem) {
            problems.push(problem);
        }
    }
}

#[cfg(test)]
mod tests;
