//! `genpack diff`: what changed from one image to another.

pub mod compare;
#[cfg(test)]
mod tests;
mod text;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::image::Image;
use crate::print;
use compare::Difference;

/// Arguments of `genpack diff`.
#[derive(clap::Args)]
pub struct DiffArguments {
    /// A disk image, or a system.img alone
    before: PathBuf,
    /// Another one
    after: PathBuf,
    /// Print JSON, with everything
    #[arg(long)]
    json: bool,
}

/// Runs the command. Returns 0 when the images are the same and 1 when they differ, as diff(1) does; the caller makes 2 of an error.
pub fn run(arguments: &DiffArguments) -> Result<ExitCode> {
    let (before, after) = (Image::open(&arguments.before)?, Image::open(&arguments.after)?);
    let difference = Difference::of(&before, &after)?;
    print::answer(&match arguments.json {
        true => serde_json::to_string_pretty(&difference)? + "\n",
        false => text::text(&difference),
    })?;
    Ok(ExitCode::from(u8::from(!difference.same)))
}
