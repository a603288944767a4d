//! Changing a `system.ini` as its writer would: one line changes, and every other byte stays as it was, with comments,
//! order, line ends and encoding.

mod meaning;
mod raw;

use std::ops::Range;

use super::lexer::{before_comment, is_blank};
use super::schema::{self, List, Section};
use super::{Encoding, header};
use crate::facts::Facts;
use meaning::{Meaning, Occurrence, Target};
use raw::RawFile;

/// Why a file was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// There is no line of this number.
    #[error("the file has no line {0}")]
    NoSuchLine(usize),
    /// The line of this number is no `key = value`.
    #[error("line {0} is not a setting of the form key = value")]
    NoSetting(usize),
    /// There is no setting of this name; what was meant, as the end of a sentence.
    #[error("there is no setting {0}{1}")]
    NoSuchKey(String, String),
    /// It is a setting for some machines only.
    #[error("settings of [match ...] sections can't be changed so; change them in a text editor")]
    Override,
    /// No line can hold the value.
    #[error(
        "a line of system.ini cannot hold this value: it must be one line that is not empty, and may not have both kinds of \
         quotes beside a blank and a ; or #"
    )]
    Value,
    /// The file is rich text.
    #[error(
        "the file was saved as rich text (RTF); open it in its editor, save it as plain text, and try again"
    )]
    RichText,
    /// The file is longer than [`super::SIZE_LIMIT`].
    #[error("the file is longer than 1 MB, and a settings file never is")]
    TooLong,
    /// The change would alter what other lines mean.
    #[error("the line cannot be changed without changing what other lines mean; change it in a text editor")]
    Tangled,
    /// The encoding of the file lacks a letter of the new text.
    #[error(
        "the file is in the encoding {}, which has no place for these letters; open it in a text editor, save it as \
         UTF-8, and try again",
        .0.name()
    )]
    Letters(Encoding),
}

/// Returns the lines of a file as they are in it, without what ends them. The first is that of number 1 in a diagnostic,
/// unless the file is rich text.
pub fn lines(bytes: &[u8]) -> Vec<String> {
    let file = RawFile::new(bytes);
    (0..file.count()).filter_map(|index| file.text(index)).collect()
}

/// Returns the file with key and value of one line, counted from 1, replaced. What surrounds the two stays: blanks, the
/// sign between them, and a section's header on the same line. Everything behind the sign counts as the value, as in
/// the line of a secret, which has no comment.
///
/// # Errors
///
/// When there is no such line, when it is no `key = value`, or when the file's encoding lacks a letter.
pub fn replace_line(bytes: &[u8], line: u32, key: &str, value: &str) -> Result<Vec<u8>, EditError> {
    let number = usize::try_from(line).unwrap_or(usize::MAX);
    let file = RawFile::new(bytes);
    let index = number.checked_sub(1).ok_or(EditError::NoSuchLine(number))?;
    let text = file.text(index).ok_or(EditError::NoSuchLine(number))?;
    let start = match text.trim_start_matches(is_blank).starts_with('[') {
        true => text.find(']').ok_or(EditError::NoSetting(number))? + 1,
        false => 0,
    };
    let sign = text[start..]
        .find(['=', ':', '\u{ff1d}', '\u{ff1a}'])
        .map(|at| start + at)
        .ok_or(EditError::NoSetting(number))?;
    let behind = sign + text[sign..].chars().next().map_or(0, char::len_utf8);
    let old_key = trimmed(&text, start, sign);
    let old_value = trimmed(&text, behind, text.len());
    if old_key.is_empty() {
        return Err(EditError::NoSetting(number));
    }
    let new = [key, &text[old_key.end..old_value.start], value].concat();
    file.replace_part(index, old_key.start..old_value.end, &new)
}

/// Returns the file with a setting at a value, and everything else in it as it was.
///
/// The setting is named `section.key`, as in `network eth1.address`; one of `[system]` may go without `system.`.
/// The value of the line that counts is replaced. Earlier lines of the same setting stay: they do not count anyway. Of a
/// list, all lines together become the new list; the values of a list that has one on each line are the lines of `value`.
/// A setting that the file does not have yet gets a line behind the one that the template has for it as a remark, else at
/// the end of its section, else in a new section at the end of the file. Quotes are put around the value where needed.
///
/// Whether the value is right for the setting is for [`super::parse`] to say.
///
/// # Errors
///
/// When there is no such setting, when no line can hold the value, when the file is no plain text, or when its encoding
/// lacks a letter of the value.
pub fn set(bytes: &[u8], name: &str, value: &str, facts: &Facts) -> Result<Vec<u8>, EditError> {
    let schema = &schema::sections(&facts.settings);
    let target = meaning::target(name, schema)?;
    let values: Vec<&str> = match target.list {
        List::Lines => values_of_lines(value).collect(),
        List::No | List::Words => vec![value.trim_matches(is_blank)],
    };
    if values.is_empty()
        || values
            .iter()
            .any(|value| value.is_empty() || value.contains(char::is_control))
    {
        return Err(EditError::Value);
    }
    let text = meaning::text(bytes)?;
    let before = meaning::meaning(&text, schema);
    let mut outcome = Err(EditError::Value);
    // How a value has to be quoted depends on what it holds and where it stands; what reads back right is right.
    for quote in [None, Some('"'), Some('\'')] {
        let written: Vec<_> = values.iter().map(|value| quoted(value, quote)).collect();
        // The values of a list in one line may look right without a part that has become a remark.
        if target.list == List::Words && written.iter().any(|value| has_remark(value)) {
            continue;
        }
        let changed = write(bytes, &text, &target, &written, schema, &before, &values);
        match changed {
            Err(EditError::Value | EditError::Tangled) => outcome = outcome.or(changed),
            _ => return changed,
        }
    }
    outcome
}

/// Returns the file without the lines of a setting, which is named as for [`set`].
///
/// # Errors
///
/// When there is no such setting, or when the file is no plain text.
pub fn unset(bytes: &[u8], name: &str, facts: &Facts) -> Result<Vec<u8>, EditError> {
    let schema = &schema::sections(&facts.settings);
    let target = meaning::target(name, schema)?;
    let mut bytes = bytes.to_vec();
    let mut others = meaning::meaning(&meaning::text(&bytes)?, schema);
    others.remove(&(target.identity.clone(), target.name.clone()));
    // When the line that counts is gone, an earlier one counts.
    loop {
        let text = meaning::text(&bytes)?;
        let Some(last) = meaning::occurrences(&text, &target, schema).pop() else {
            break;
        };
        bytes = remove(&bytes, &last)?;
    }
    match meaning::meaning(&meaning::text(&bytes)?, schema) == others {
        true => Ok(bytes),
        false => Err(EditError::Tangled),
    }
}

fn write(
    bytes: &[u8],
    text: &str,
    target: &Target,
    written: &[String],
    schema: &[Section<'_>],
    before: &Meaning,
    values: &[&str],
) -> Result<Vec<u8>, EditError> {
    let is_right = |bytes: &[u8]| -> Result<bool, EditError> {
        let mut after = meaning::meaning(&meaning::text(bytes)?, schema);
        let this = (target.identity.clone(), target.name.clone());
        let mut before = before.clone();
        before.remove(&this);
        let got = after.remove(&this).unwrap_or_default();
        let same = match target.list {
            List::Words => {
                !got.is_empty() && without_separators(&got.concat()) == without_separators(&values.concat())
            }
            List::No | List::Lines => got == values,
        };
        Ok(match (same, after == before) {
            (true, true) => true,
            (true, false) => return Err(EditError::Tangled),
            (false, _) => return Err(EditError::Value),
        })
    };
    let found = meaning::occurrences(text, target, schema);
    if !found.is_empty() {
        let changed = replace(bytes, target, &found, written)?;
        return is_right(&changed).map(|_| changed);
    }
    let file = RawFile::new(bytes);
    let lines: Vec<_> = written
        .iter()
        .map(|value| format!("{} = {value}", target.name))
        .collect();
    let mut outcome = Err(EditError::Value);
    for place in meaning::places(&file, target, schema) {
        let changed = file.insert(place, &lines)?;
        outcome = is_right(&changed).map(|_| changed);
        if outcome.is_ok() {
            return outcome;
        }
    }
    let header = format!("[{}]", header::label(&target.identity, schema));
    let gap = (!file.is_blank()).then(String::new);
    let section: Vec<_> = gap.into_iter().chain([header]).chain(lines).collect();
    let changed = file.insert(file.count(), &section)?;
    is_right(&changed).map(|_| changed).or(outcome)
}

/// Puts new values in place of the old ones of a setting.
fn replace(
    bytes: &[u8],
    target: &Target,
    found: &[Occurrence],
    written: &[String],
) -> Result<Vec<u8>, EditError> {
    let mut bytes = bytes.to_vec();
    // From the last line to the first, so that the numbers of those that are still to come stay right.
    for old in found.iter().skip(written.len()).rev() {
        bytes = remove(&bytes, old)?;
    }
    let shared = found.len().min(written.len());
    if let Some(last) = found[..shared].last() {
        let more: Vec<_> = written[shared..]
            .iter()
            .map(|value| format!("{} = {value}", target.name))
            .collect();
        if !more.is_empty() {
            bytes = RawFile::new(&bytes).insert(last.line + 1, &more)?;
        }
    }
    for (old, new) in found[..shared].iter().zip(written).rev() {
        let file = RawFile::new(&bytes);
        let raw = file.text(old.line).unwrap_or_default();
        bytes = match raw == old.text {
            true => {
                let (part, new) = replacement(old, target, new);
                file.replace_part(old.line, part, &new)?
            }
            // The reader has put straight what an editor made of the line: it is written anew.
            false => {
                let content = trimmed(&raw, 0, raw.len());
                let new = match old.key {
                    Some(_) => format!("{} = {new}", target.name),
                    None => new.clone(),
                };
                file.replace_part(old.line, content, &new)?
            }
        };
    }
    Ok(bytes)
}

/// Returns which part of a line to replace so that it has the new value, and by what.
fn replacement(old: &Occurrence, target: &Target, new: &str) -> (Range<usize>, String) {
    let behind = &old.text[old.value.clone()];
    let value = match target.literal {
        true => behind,
        false => before_comment(behind),
    };
    let end = old.value.start + value.len();
    let part = trimmed(&old.text, old.value.start, end);
    if !part.is_empty() {
        return (part, new.to_string());
    }
    // Nothing but blanks: as many stay in front as the sign has on its other side, and one before a remark.
    let before = old.text[..old.value.start].trim_end_matches(['=', ':']);
    let blank = if before.ends_with(is_blank) { " " } else { "" };
    let behind = if end < old.value.end { " " } else { "" };
    (old.value.start..end, format!("{blank}{new}{behind}"))
}

/// Returns the file without a line of a setting, or without the setting when the line has a header too.
fn remove(bytes: &[u8], old: &Occurrence) -> Result<Vec<u8>, EditError> {
    let file = RawFile::new(bytes);
    let raw = file.text(old.line).unwrap_or_default();
    match &old.key {
        Some(key) if raw.trim_start_matches(is_blank).starts_with('[') && raw == old.text => {
            let header = raw[..key.start].trim_end_matches(is_blank).len();
            file.replace_part(old.line, header..raw.len(), "")
        }
        _ => file.remove(old.line),
    }
}

/// The values of a list that has one on each line.
fn values_of_lines(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(['\r', '\n'])
        .map(|line| line.trim_matches(is_blank))
        .filter(|line| !line.is_empty())
}

/// What is left of a list when everything that can stand between its values is gone.
fn without_separators(values: &str) -> String {
    let separates = |c: char| is_blank(c) || matches!(c, ',' | ';' | '"' | '\'');
    values.chars().filter(|&c| !separates(c)).collect()
}

fn has_remark(value: &str) -> bool {
    let behind_sign = format!(" {value}");
    before_comment(&behind_sign) != behind_sign
}

fn quoted(value: &str, quote: Option<char>) -> String {
    match quote {
        Some(quote) => format!("{quote}{value}{quote}"),
        None => value.to_string(),
    }
}

/// Where the part of a text is without the blanks at its ends; blanks alone stay in front.
fn trimmed(text: &str, start: usize, end: usize) -> Range<usize> {
    let part = &text[start..end];
    let from = end - part.trim_start_matches(is_blank).len();
    let to = start + part.trim_end_matches(is_blank).len();
    from..to.max(from)
}

#[cfg(test)]
mod tests;
