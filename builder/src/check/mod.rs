//! `genpack check`: everything that can be known of a blueprint's folder without building it.

pub mod files;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::blueprint::{
    self, ARCHITECTURES, Base, Blueprint, BlueprintFile, FILES_DIR, InputError, PROFILES_DIR, Problem,
};
use crate::install_dirs::InstallDirs;
use crate::{cli, print};

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
        print::answer(&format!("{page:#}\n"))?;
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
        print::answer(&format!("{}: fine\n", file.display()))?;
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
    let mut blueprints = Vec::new();
    let file = match BlueprintFile::load_with_mistakes(folder) {
        Ok((file, mistakes)) => {
            found.file = Some(file.path().to_path_buf());
            found.warnings.extend(file.warnings().iter().cloned());
            // What is left of a wrong one would bring about mistakes and warnings that are none.
            if mistakes.is_empty() {
                blueprints = all(&file, &mut found);
            }
            found.mistakes.extend(mistakes);
            needed.extend(file.profiles());
            Some(file)
        }
        Err(error) => {
            found.mistakes.extend(problems_of(error));
            None
        }
    };
    let bases = file.iter().flat_map(BlueprintFile::bases);
    let mut more: Vec<Problem> = bases.filter_map(|base| missing_base(folder, &base)).collect();
    let loaded = needed
        .iter()
        .map(|name| blueprint::load_profile(name, &folders).map(drop));
    let own = blueprint::names_in(&own);
    let checked = own.iter().map(|name| blueprint::check_profile(name, &folders));
    let errors = loaded.chain(checked).filter_map(Result::err);
    more.extend(errors.flat_map(InputError::into_problems));
    Problem::add(
        &mut found.mistakes,
        more.into_iter().map(|mistake| match &file {
            Some(file) => file.locate_anywhere(mistake),
            None => mistake,
        }),
    );
    let files = files::check(&folder.join(FILES_DIR), &blueprints);
    found.mistakes.extend(files.mistakes);
    found.warnings.extend(files.warnings);
    found
}

/// Returns the mistake that what the system is made from is not there.
pub fn missing_base(folder: &Path, base: &Base) -> Option<Problem> {
    let place = folder.join(base.place()?);
    let error = fs::metadata(&place).err()?;
    let label = format!("{} can't be read: {error}", place.display());
    Some(Problem::about(&["base"], &base.to_string(), label))
}

/// Returns the blueprint for each architecture and each variant that can be built.
fn all(file: &BlueprintFile, found: &mut Findings) -> Vec<Blueprint> {
    let mut blueprints = Vec::new();
    for variant in file.buildable() {
        for arch in ARCHITECTURES {
            match file.resolve_exactly(arch, variant) {
                Ok(blueprint) => blueprints.push(blueprint),
                Err(error) => Problem::add(&mut found.mistakes, problems_of(error)),
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

#[cfg(test)]
mod tests;
