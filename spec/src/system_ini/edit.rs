//! Changing a `system.ini` as its writer would: one line changes, and every other byte stays as it was, with comments,
//! order, line ends and encoding.

mod raw;

use super::Encoding;
use super::lexer::is_blank;
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
    /// The encoding of the file lacks a letter of the new text.
    #[error(
        "the file is in the encoding {}, which has no place for these letters; open it in a text editor, save it as \
         UTF-8, and try again",
        .0.name()
    )]
    Letters(Encoding),
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

/// Where the part of a text is without the blanks at its ends; blanks alone stay in front.
fn trimmed(text: &str, start: usize, end: usize) -> std::ops::Range<usize> {
    let part = &text[start..end];
    let from = end - part.trim_start_matches(is_blank).len();
    let to = start + part.trim_end_matches(is_blank).len();
    from..to.max(from)
}

#[cfg(test)]
mod tests;
