//! `genpack-config edit`: the settings in an editor, checked before they are applied, tried before they are kept.

use std::env;
use std::fs;
use std::io::{self, BufRead, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};

use super::proxy::Device;
use super::{NAME, read, show};

/// Seconds to find out whether the device is still there.
const REVERT_AFTER: u32 = 120;
/// What is tried in turn when neither VISUAL nor EDITOR says what to use.
const EDITORS: [&str; 4] = ["sensible-editor", "nano", "vim", "vi"];

/// Edits and applies; returns the exit status.
pub async fn edit(device: &Device) -> Result<ExitCode> {
    let old = device.text().await?;
    let copy = Copy::make(&old)?;
    loop {
        copy.edit()?;
        let new = read(&copy.name())?;
        if new == old {
            println!("Nothing was changed.");
            return Ok(ExitCode::SUCCESS);
        }
        let answer = device.check(&new).await?;
        show::diagnostics(&answer, &new, "system.ini", false)?;
        let question = match show::is_bad(&answer)? {
            true => "Not everything would be used. [e]dit again, [a]pply all the same, [q]uit? ",
            false => "[a]pply, [e]dit again, [q]uit? ",
        };
        match ask(question)?.as_str() {
            "a" => return try_out(device, &new).await,
            "q" | "" => {
                println!("Nothing was changed.");
                return Ok(ExitCode::SUCCESS);
            }
            _ => {}
        }
    }
}

async fn try_out(device: &Device, new: &str) -> Result<ExitCode> {
    let (token, answer) = device.apply(new, REVERT_AFTER).await?;
    println!("The settings hold, and are taken back in {REVERT_AFTER} seconds unless you keep them.");
    match ask("Keep them? [y/n] ")?.as_str() {
        "y" | "yes" => {
            device.confirm(&token).await?;
            println!("The settings are kept.");
        }
        _ => {
            device.revert(&token).await?;
            println!("The settings of before hold again.");
        }
    }
    Ok(match show::is_bad(&answer)? {
        true => ExitCode::from(super::NOT_ALL_USED),
        false => ExitCode::SUCCESS,
    })
}

fn ask(question: &str) -> Result<String> {
    print!("{question}");
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(answer.trim().to_ascii_lowercase())
}

/// A copy that nobody else can read, because it may hold secrets. It goes when it is dropped.
struct Copy {
    folder: PathBuf,
}

impl Copy {
    fn make(text: &str) -> Result<Copy> {
        let base = env::temp_dir();
        let folder = (0..100)
            .map(|attempt| base.join(format!("{NAME}-{}-{attempt}", std::process::id())))
            .find_map(|folder| {
                let mut builder = fs::DirBuilder::new();
                std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
                // One that is there may be somebody else's.
                builder.create(&folder).ok().map(|()| folder)
            })
            .with_context(|| format!("there is no room for a copy in {}", base.display()))?;
        let copy = Copy { folder };
        fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(copy.name())
            .and_then(|mut file| file.write_all(text.replace("\r\n", "\n").as_bytes()))
            .with_context(|| format!("writing {}", copy.name()))?;
        Ok(copy)
    }

    fn name(&self) -> String {
        self.folder.join("system.ini").display().to_string()
    }

    fn edit(&self) -> Result<()> {
        let chosen = ["VISUAL", "EDITOR"].iter().find_map(|name| env::var(name).ok());
        let candidates = match &chosen {
            Some(editor) => vec![editor.as_str()],
            None => EDITORS.to_vec(),
        };
        for editor in candidates {
            // The variables may hold options too, and so are for the shell (environ(7)).
            let status = Command::new("/bin/sh")
                .args([
                    "-c",
                    r#"command -v "${1%% *}" >/dev/null || exit 127; eval "$1 \"\$2\"""#,
                    "sh",
                    editor,
                ])
                .arg(self.name())
                .status()
                .with_context(|| format!("starting {editor}"))?;
            match status.code() {
                Some(0) => return Ok(()),
                Some(127) => continue,
                _ => bail!("{editor} ended with {status}; nothing was changed"),
            }
        }
        bail!("there is no editor; copy system.ini, change it elsewhere, and use: {NAME} apply FILE")
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.folder) {
            eprintln!("{NAME}: {} stays: {error}", self.folder.display());
        }
    }
}
