//! What `genpack config check` prints.

use std::fmt::Write as _;

use anyhow::Result;
use genpack_spec::report::{Diagnostic, Severity};
use genpack_spec::system_ini::edit;
use genpack_spec::text::Language;
use serde_json::json;

use super::Judged;

/// Returns settings and diagnostics as JSON.
pub(super) fn json(judged: &Judged, language: Language) -> Result<String> {
    let said: Vec<_> = judged
        .parsed
        .diagnostics
        .iter()
        .map(|diagnostic| diagnostic.said(|text| language.say(text)))
        .collect();
    let page = json!({
        "file": judged.file.name,
        "encoding": judged.parsed.encoding,
        "settings": judged.parsed.settings.shown(),
        "diagnostics": said,
    });
    Ok(serde_json::to_string_pretty(&page)? + "\n")
}

/// Returns a page for people: each diagnostic with its line and a caret below what is meant, then a summary.
pub(super) fn page(judged: &Judged, language: Language, colours: bool) -> String {
    let mut page = String::new();
    let lines = edit::lines(&judged.file.bytes);
    for diagnostic in &judged.parsed.diagnostics {
        page.push_str(&block(diagnostic, &judged.file.name, &lines, language, colours));
        page.push('\n');
    }
    let count = |severity: Severity| {
        let all = judged.parsed.diagnostics.iter();
        all.filter(|diagnostic| diagnostic.severity == severity).count()
    };
    let (errors, warnings, notes) = (
        count(Severity::Error),
        count(Severity::Warning),
        count(Severity::Note),
    );
    let counted = [(errors, "error"), (warnings, "warning"), (notes, "note")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{count} {what}{}", if count == 1 { "" } else { "s" }))
        .collect::<Vec<_>>();
    let verdict = match (errors, counted.is_empty()) {
        (_, true) => "everything is used as written".to_string(),
        (0, false) => format!("everything is used as written ({})", counted.join(", ")),
        (1.., _) => format!("not everything is used as written ({})", counted.join(", ")),
    };
    let encoding = judged.parsed.encoding.name();
    let _ = writeln!(page, "{} ({encoding}): {verdict}", judged.file.name);
    page
}

/// Returns one diagnostic as compilers print them.
pub(super) fn block(
    diagnostic: &Diagnostic,
    file: &str,
    lines: &[String],
    language: Language,
    colours: bool,
) -> String {
    let (word, colour) = match diagnostic.severity {
        Severity::Error => ("error", "31"),
        Severity::Warning => ("warning", "33"),
        Severity::Note => ("note", "36"),
    };
    let word = match colours {
        true => format!("\x1b[1;{colour}m{word}\x1b[0m"),
        false => word.to_string(),
    };
    let place: String = [diagnostic.line, diagnostic.column]
        .into_iter()
        .flatten()
        .map(|number| format!("{number}:"))
        .collect();
    let mut block = format!("{file}:{place} {word}: {}\n", language.say(&diagnostic.problem));
    if let (Some(line), Some(text)) = (diagnostic.line, &diagnostic.text) {
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let _ = writeln!(block, " {number} | {text}");
        if let Some(before) = before_caret(diagnostic, lines) {
            let _ = writeln!(block, " {margin} | {}^", " ".repeat(before));
        }
    }
    for (label, text) in [("used", &diagnostic.used), ("hint", &diagnostic.hint)] {
        if let Some(text) = text {
            let _ = writeln!(block, "   {label}: {}", language.say(text));
        }
    }
    block
}

/// How many columns of a terminal are before the character that is meant; none when it is not shown.
fn before_caret(diagnostic: &Diagnostic, lines: &[String]) -> Option<usize> {
    let index = usize::try_from(diagnostic.line?).ok()?.checked_sub(1)?;
    let column = usize::try_from(diagnostic.column?).ok()?.checked_sub(1)?;
    let line = lines.get(index)?;
    // What is shown begins where the line does, behind its blanks.
    let blanks = line.chars().count() - line.trim_start().chars().count();
    let text = diagnostic.text.as_deref()?;
    let before: String = text.chars().take(column.checked_sub(blanks)?).collect();
    let is_shown = before.len() < text.len() && line.trim_start().starts_with(&before);
    is_shown.then(|| unicode_width::UnicodeWidthStr::width(before.as_str()))
}
