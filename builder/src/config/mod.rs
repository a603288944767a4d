//! `genpack config`: looking at a `system.ini`, and changing it, on the developer's computer. What a file means is judged by
//! the same code as on the device.

mod change;
mod check;
mod place;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use genpack_spec::facts::{Facts, Feature};
use genpack_spec::report::{Diagnostic, Severity};
use genpack_spec::system_ini::{self, Context, Parsed, Secrets};
use genpack_spec::text::Language;
use genpack_spec::types::Hostname;

use crate::blueprint::{BlueprintFile, InputError};
use crate::build::Arch;
use crate::print;
use place::{Place, SettingsFile};

/// Exit status when something of the file is ignored or replaced by a default.
const NOT_ALL_USED: u8 = 1;

/// What can be done with `system.ini`.
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Say what the device will make of every line; ends with 1 when something would not be used, 2 when the file can't be read
    Check {
        /// The file
        #[command(flatten)]
        source: Source,
        /// Print settings and diagnostics as JSON
        #[arg(long)]
        json: bool,
        /// Language of the sentences
        #[arg(long, value_name = "CODE", default_value = "en", value_parser = language)]
        language: Language,
    },
    /// Print the settings that hold, with passwords masked
    Show {
        /// The file
        #[command(flatten)]
        source: Source,
        /// Print them as JSON
        #[arg(long)]
        json: bool,
    },
    /// Change settings, and nothing else in the file: genpack config set FILE KEY VALUE, or with --image without FILE
    Set {
        /// The file or the folder of a mounted card (not with --image), then KEY and VALUE, as often as wanted; KEY is
        /// section.key, such as network.address, "network eth1.address", or hostname
        #[arg(required_unless_present = "unset", value_name = "FILE KEY VALUE")]
        arguments: Vec<String>,
        /// Take a setting out of the file
        #[arg(long, value_name = "KEY")]
        unset: Vec<String>,
        /// What the file is on or for
        #[command(flatten)]
        image: Image,
    },
    /// Print the file of a new card, with every setting explained
    Template {
        /// What the file is on or for
        #[command(flatten)]
        image: Image,
    },
    /// Print every setting there is, as a page in Markdown or as JSON
    Schema {
        /// Print it as JSON
        #[arg(long)]
        json: bool,
        /// What the file is on or for
        #[command(flatten)]
        image: Image,
    },
    /// Put back the settings with which the network worked last
    Restore {
        /// The folder of a mounted card
        #[arg(value_name = "FOLDER", required_unless_present = "image")]
        folder: Option<PathBuf>,
        /// A disk image or a card, in place of FOLDER
        #[arg(long, value_name = "IMG", conflicts_with = "folder")]
        image: Option<PathBuf>,
    },
}

/// A file, and what it is for.
#[derive(Args)]
pub struct Source {
    /// The file, - for standard input, or the folder of a mounted card
    #[arg(value_name = "FILE", required_unless_present = "image")]
    file: Option<PathBuf>,
    #[command(flatten)]
    image: Image,
}

/// What a file is for.
#[derive(Args)]
pub struct Image {
    /// The disk image or card that the file is on or for
    #[arg(long, value_name = "IMG")]
    image: Option<PathBuf>,
    /// Folder of the blueprint that the file is for
    #[arg(long, value_name = "DIR", conflicts_with = "image")]
    blueprint: Option<PathBuf>,
}

fn language(code: &str) -> Result<Language, String> {
    let known = Language::ALL.into_iter();
    known
        .clone()
        .find(|language| language.code() == code)
        .ok_or_else(|| {
            let codes: Vec<_> = known.map(Language::code).collect();
            format!("there are {}", codes.join(", "))
        })
}

/// Runs the command and returns the program's exit status. Every error is one of the input: nothing was written then.
pub fn run(command: &ConfigCommand) -> Result<ExitCode> {
    dispatch(command).map_err(|error| match error.downcast::<InputError>() {
        Ok(mistake) => mistake.into(),
        Err(error) => {
            let causes: Vec<_> = error.chain().map(ToString::to_string).collect();
            InputError::plain(causes.join(": ")).into()
        }
    })
}

fn dispatch(command: &ConfigCommand) -> Result<ExitCode> {
    match command {
        ConfigCommand::Check {
            source,
            json,
            language,
        } => {
            let judged = Judged::of(source)?;
            let page = match json {
                true => check::json(&judged, *language)?,
                false => check::page(&judged, *language, colours()),
            };
            print::answer(&page)?;
            Ok(judged.status())
        }
        ConfigCommand::Show { source, json } => {
            let judged = Judged::of(source)?;
            print::answer(&match json {
                true => serde_json::to_string_pretty(&judged.parsed.settings.shown())? + "\n",
                false => system_ini::write(&judged.parsed.settings, Secrets::Masked),
            })?;
            Ok(ExitCode::SUCCESS)
        }
        ConfigCommand::Set {
            arguments,
            unset,
            image,
        } => {
            // Every setting is two words, so a word too many is the file's name.
            let (file, pairs) = match (image.image.is_some(), arguments.split_first()) {
                (true, _) if arguments.len() % 2 == 0 => (None, arguments.as_slice()),
                (_, Some((file, pairs))) => (Some(Path::new(file)), pairs),
                (_, None) => bail!("name the file: genpack config set FILE --unset KEY"),
            };
            let (pairs, odd) = pairs.as_chunks::<2>();
            if let [key] = odd {
                bail!("the value of {key} is missing: genpack config set FILE KEY VALUE");
            }
            change::set(&Place::open(file, image.image.as_deref())?, image, pairs, unset)
        }
        ConfigCommand::Template { image } => {
            print::answer(&system_ini::template(&Target::of(image, None)?.facts))?;
            Ok(ExitCode::SUCCESS)
        }
        ConfigCommand::Schema { json, image } => {
            let facts = Target::of(image, None)?.facts;
            print::answer(&match json {
                true => serde_json::to_string_pretty(&system_ini::schema_json(&facts))? + "\n",
                false => system_ini::reference(&facts),
            })?;
            Ok(ExitCode::SUCCESS)
        }
        ConfigCommand::Restore { folder, image } => {
            change::restore(&Place::open(folder.as_deref(), image.as_deref())?)
        }
    }
}

fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// What a file is for, as far as it is known here.
struct Target {
    facts: Facts,
    /// The default host name, as far as it does not depend on the machine.
    hostname: Hostname,
}

impl Target {
    /// `place` is where the file is, which on a card has the facts too.
    fn of(image: &Image, place: Option<&Place>) -> Result<Target> {
        // The last digits are those of the machine.
        let named = |name: &str| format!("{name}-xxxxxx").parse().context("making a host name");
        if let Some(folder) = &image.blueprint {
            let blueprint = BlueprintFile::load(folder)?.resolve(Arch::of_host().genpack, None)?;
            return Ok(Target {
                hostname: named(&blueprint.name.to_string())?,
                facts: Facts {
                    settings: blueprint.settings.as_slice().to_vec(),
                    features: Some(
                        Feature::IMPLEMENTED
                            .iter()
                            .copied()
                            .filter(|feature| *feature != Feature::Storage || blueprint.persist.is_some())
                            .collect(),
                    ),
                    ..Facts::default()
                },
            });
        }
        let facts = match (&image.image, place) {
            (_, Some(place @ Place::Card(_))) => place.facts()?,
            (Some(image), _) => Place::open(None, Some(image))?.facts()?,
            (None, Some(place)) => place.facts()?,
            (None, None) => Facts::default(),
        };
        Ok(Target {
            hostname: named(facts.name.as_deref().unwrap_or("genpack"))?,
            facts,
        })
    }

    fn parse(&self, bytes: &[u8]) -> Parsed {
        let context = Context {
            default_hostname: &self.hostname,
            facts: &self.facts,
            machine: None,
        };
        system_ini::parse(bytes, &context)
    }
}

/// A file and what it comes to.
struct Judged {
    file: SettingsFile,
    parsed: Parsed,
}

impl Judged {
    fn of(source: &Source) -> Result<Judged> {
        let place = Place::open(source.file.as_deref(), source.image.image.as_deref())?;
        let target = Target::of(&source.image, Some(&place))?;
        let Some(file) = place.settings_file()? else {
            bail!(
                "there is no system.ini on {place}: the default of every setting holds there; genpack config template \
                 prints a new one"
            );
        };
        let mut parsed = target.parse(&file.bytes);
        parsed.diagnostics.splice(0..0, file.remarks.iter().cloned());
        Ok(Judged { file, parsed })
    }

    fn status(&self) -> ExitCode {
        match self.parsed.diagnostics.iter().any(is_error) {
            true => ExitCode::from(NOT_ALL_USED),
            false => ExitCode::SUCCESS,
        }
    }
}

fn is_error(diagnostic: &Diagnostic) -> bool {
    diagnostic.severity == Severity::Error
}
