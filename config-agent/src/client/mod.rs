//! `genpack-config`, the command for people on the device: the agent's program under another name, as a client of
//! `crate::appliance` on the system bus.

mod args;
mod edit;
mod proxy;
mod show;

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use genpack_spec::system_ini::{self, SIZE_LIMIT};

use args::Command;
use proxy::Device;

/// The name under which the program is this command.
pub const NAME: &str = "genpack-config";

/// Exit status when something of the file is ignored or replaced by a default.
const NOT_ALL_USED: u8 = 1;
/// Exit status when nothing could be done.
const FAILED: u8 = 2;

/// Runs the command and returns the program's exit status.
pub fn run(arguments: impl IntoIterator<Item = String>) -> ExitCode {
    let command = match args::parse(arguments) {
        Ok(command) => command,
        Err(problem) => {
            eprintln!("{NAME}: {problem}\n\n{}", args::USAGE);
            return ExitCode::from(FAILED);
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let outcome = runtime
        .context("starting the runtime")
        .and_then(|runtime| runtime.block_on(carry_out(command)));
    outcome.unwrap_or_else(|error| {
        eprintln!("{NAME}: {error:#}");
        ExitCode::from(FAILED)
    })
}

async fn carry_out(command: Command) -> Result<ExitCode> {
    match command {
        Command::Help => println!("{}", args::USAGE),
        Command::Status { json } => {
            let device = Device::connect().await?;
            let mut page = show::status(&device.status().await?, &device.settings().await?, json)?;
            if let Some(left) = device.pending().await?.filter(|_| !json) {
                page += &format!("\n{}\n", show::waiting(left));
            }
            show::print(&page)?;
        }
        Command::Check { file, json } => {
            let text = read(&file)?;
            let answer = Device::connect().await?.check(&text).await?;
            return show::diagnostics(&answer, &text, &file, json);
        }
        Command::Apply { file, revert_after } => {
            let text = read(&file)?;
            let (_, answer) = Device::connect().await?.apply(&text, revert_after).await?;
            let status = show::diagnostics(&answer, &text, &file, false)?;
            match revert_after {
                0 => println!("The settings hold."),
                seconds => println!(
                    "The settings hold for {seconds} seconds. To keep them: {NAME} confirm. To go back at once: {NAME} revert"
                ),
            }
            return Ok(status);
        }
        Command::Confirm => {
            Device::connect().await?.confirm("").await?;
            println!("The settings are kept.");
        }
        Command::Revert => {
            Device::connect().await?.revert("").await?;
            println!("The settings of before hold again.");
        }
        Command::Reload => {
            let answer = Device::connect().await?.reload().await?;
            return show::diagnostics(&answer, "", "system.ini", false);
        }
        Command::Edit => {
            if !std::io::stdin().is_terminal() {
                bail!("edit needs a terminal; to apply a file, use: {NAME} apply FILE");
            }
            return edit::edit(&Device::connect().await?).await;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads a file, or standard input for `-`, in bounded memory, whatever its encoding.
fn read(file: &str) -> Result<String> {
    let mut bytes = Vec::new();
    let limit = SIZE_LIMIT as u64 + 1;
    let read = match file {
        "-" => std::io::stdin().lock().take(limit).read_to_end(&mut bytes),
        path if Path::new(path).is_dir() => bail!("{path} is a folder, not a file"),
        path => File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes)),
    };
    read.with_context(|| format!("{file} can't be read"))?;
    if bytes.len() > SIZE_LIMIT {
        bail!("{file} is longer than 1 MB, and a settings file never is");
    }
    let text = system_ini::text_of(&bytes);
    if text.contains('\0') {
        bail!("{file} is not a text file");
    }
    Ok(text)
}
