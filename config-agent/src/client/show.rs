//! What `genpack-config` prints.

use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{NAME, NOT_ALL_USED};

/// A diagnostic as the bus brings it.
#[derive(Debug, Deserialize)]
struct Said {
    line: Option<usize>,
    severity: String,
    problem: String,
    used: Option<String>,
    hint: Option<String>,
    text: Option<String>,
}

/// Returns the page about the device, or everything as JSON.
pub fn status(status: &str, settings: &str, as_json: bool) -> Result<String> {
    let mut status: Value = serde_json::from_str(status).context("the agent's answer can't be read")?;
    if !as_json {
        let page = status["text"].as_str().unwrap_or_default();
        return Ok(page.trim_start_matches('\u{feff}').replace("\r\n", "\n"));
    }
    status["settings"] = serde_json::from_str(settings).context("the agent's answer can't be read")?;
    Ok(format!("{status:#}\n"))
}

/// Returns the sentence about a change that waits.
pub fn waiting(left: u32) -> String {
    format!("A change waits to be confirmed for {left} more seconds: {NAME} confirm, or {NAME} revert.")
}

/// Prints a text, which may be long. That nobody reads it to the end (`| head`) is no error.
pub fn print(text: &str) -> Result<()> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error).context("printing"),
        _ => Ok(()),
    }
}

/// Prints what there is to say about a file, and returns the exit status that goes with it.
pub fn diagnostics(answer: &str, text: &str, file: &str, as_json: bool) -> Result<ExitCode> {
    let found: Vec<Said> = serde_json::from_str(answer).context("the agent's answer can't be read")?;
    if as_json {
        let found: Value = serde_json::from_str(answer)?;
        print(&format!("{:#}\n", json!({"file": file, "diagnostics": found})))?;
    } else {
        print(&listed(&found, text, file))?;
    }
    Ok(match has_errors(&found) {
        true => ExitCode::from(NOT_ALL_USED),
        false => ExitCode::SUCCESS,
    })
}

fn has_errors(found: &[Said]) -> bool {
    found.iter().any(|one| one.severity == "error")
}

/// Whether something of the file would not be used.
pub fn is_bad(answer: &str) -> Result<bool> {
    Ok(has_errors(&serde_json::from_str::<Vec<Said>>(answer)?))
}

fn listed(found: &[Said], text: &str, file: &str) -> String {
    let name = if file == "-" { "standard input" } else { file };
    let lines: Vec<_> = text.lines().collect();
    let mut page = String::new();
    for one in found {
        let place = one.line.map_or(String::new(), |line| format!(":{line}"));
        page += &format!("{name}{place}: {}: {}\n", one.severity, one.problem);
        // The agent shortens it, and masks what is secret.
        let quote = one.text.as_deref().filter(|quote| !quote.is_empty());
        if let Some(quote) = quote.filter(|_| one.line.is_some_and(|line| line <= lines.len())) {
            page += &format!("    {quote}\n");
        }
        if let Some(used) = &one.used {
            page += &format!("  used: {used}\n");
        }
        if let Some(hint) = &one.hint {
            page += &format!("  hint: {hint}\n");
        }
    }
    if found.is_empty() {
        page += &format!("{name}: everything is used as written\n");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_stand_with_their_lines() {
        let answer = r#"[{"line": 2, "column": 8, "section": "network", "key": "address", "severity": "error",
            "problem": "300 is larger than 255", "used": "automatic address (DHCP)", "hint": null, "text": "address = 300"},
            {"line": null, "column": null, "section": null, "key": null, "severity": "note", "problem": "odd", "used": null,
            "hint": "x", "text": null}]"#;
        let found: Vec<Said> = serde_json::from_str(answer).unwrap();
        assert_eq!(
            listed(&found, "[network]\naddress = 300", "-"),
            "standard input:2: error: 300 is larger than 255\n    address = 300\n  used: automatic address (DHCP)\n\
             standard input: note: odd\n  hint: x\n"
        );
        assert!(is_bad(answer).unwrap() && !is_bad("[]").unwrap());
        assert_eq!(listed(&[], "", "a.ini"), "a.ini: everything is used as written\n");
    }

    #[test]
    fn the_page_has_the_line_ends_of_a_terminal() {
        let page = status(
            r#"{"text": "\ufeffAll is well.\r\n", "problems": 0}"#,
            "{}",
            false,
        )
        .unwrap();
        assert_eq!(page, "All is well.\n");
        let json: Value =
            serde_json::from_str(&status(r#"{"problems": 0}"#, r#"{"ssh": {}}"#, true).unwrap()).unwrap();
        assert_eq!(json, serde_json::json!({"problems": 0, "settings": {"ssh": {}}}));
    }
}
