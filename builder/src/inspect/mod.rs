//! `genpack inspect`: what is in an image.

mod boot;
pub mod ports;
pub mod report;
pub mod table;
#[cfg(test)]
pub(crate) mod tests;
pub mod text;
pub mod units;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::image::Image;
use crate::print;
use report::Report;

/// Arguments of `genpack inspect`.
#[derive(clap::Args)]
pub struct InspectArguments {
    /// A disk image, or a system.img alone
    image: PathBuf,
    /// Print JSON, with everything
    #[arg(long)]
    json: bool,
    /// Start a copy in a virtual machine and list the ports that are open then
    #[arg(long)]
    boot: bool,
}

/// Runs the command and returns the program's exit status.
pub fn run(arguments: &InspectArguments) -> Result<ExitCode> {
    let image = Image::open(&arguments.image)?;
    let mut report = Report::of(&image)?;
    if arguments.boot {
        report.measured_ports = Some(boot::open_ports(&image)?);
    }
    print::answer(&match arguments.json {
        true => serde_json::to_string_pretty(&report)? + "\n",
        false => text::text(&report),
    })?;
    Ok(ExitCode::SUCCESS)
}
