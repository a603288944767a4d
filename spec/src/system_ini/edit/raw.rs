//! A file as bytes and as text at once, line by line, so that one line can change and every other byte stays.

use std::ops::Range;

use encoding_rs::{GBK, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::EditError;
use crate::system_ini::lexer::is_blank;
use crate::system_ini::{Encoding, encoding};

/// The bytes of a file, and where its lines are.
pub(super) struct RawFile<'a> {
    bytes: &'a [u8],
    encoding: Encoding,
    /// Where the lines are, without what ends them. Never empty.
    lines: Vec<Range<usize>>,
}

impl<'a> RawFile<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> RawFile<'a> {
        let mark = [&b"\xef\xbb\xbf"[..], b"\xff\xfe", b"\xfe\xff"]
            .into_iter()
            .find(|mark| bytes.starts_with(mark))
            .map_or(0, <[u8]>::len);
        let mut file = RawFile {
            bytes,
            encoding: encoding::decode(bytes).encoding,
            lines: Vec::new(),
        };
        let width = file.width();
        // Half a character at the end belongs to no line.
        let end = mark + (bytes.len() - mark) / width * width;
        let (mut start, mut at) = (mark, mark);
        while at < end {
            let next = at + width;
            match file.ascii(at) {
                Some(b'\r') if next < end && file.ascii(next) == Some(b'\n') => {
                    file.lines.push(start..at);
                    start = next + width;
                }
                Some(b'\r' | b'\n') => {
                    file.lines.push(start..at);
                    start = next;
                }
                _ => {}
            }
            at = start.max(next);
        }
        file.lines.push(start..end);
        file
    }

    /// Number of lines, at least 1; what follows the last line end is a line too, if an empty one.
    pub(super) fn count(&self) -> usize {
        self.lines.len()
    }

    /// Whether there is nothing in it to keep a distance from.
    pub(super) fn is_blank(&self) -> bool {
        (0..self.count()).all(|index| self.text(index).is_none_or(|text| text.chars().all(is_blank)))
    }

    /// Returns the text of the line of this index, from 0.
    pub(super) fn text(&self, index: usize) -> Option<String> {
        let line = self.lines.get(index)?;
        Some(self.decode(&self.bytes[line.clone()]))
    }

    /// Returns the file with a part of a line, given in bytes of its text, replaced.
    pub(super) fn replace_part(
        &self,
        index: usize,
        part: Range<usize>,
        new: &str,
    ) -> Result<Vec<u8>, EditError> {
        let (Some(line), Some(text)) = (self.lines.get(index), self.text(index)) else {
            return Err(EditError::NoSuchLine(index + 1));
        };
        let wanted = [&text[..part.start], new, &text[part.end..]].concat();
        let raw = &self.bytes[line.clone()];
        // What stays is not decoded and encoded again, because damaged characters would not survive that.
        let from = self.length(&text[..part.start], raw);
        let to = raw.len() - self.length(&text[part.end..], raw);
        let outside = |new: Vec<u8>| [&raw[..from], &new, &raw[to.max(from)..]].concat();
        self.changed(line.clone(), new, outside, |changed| {
            changed.text(index).as_deref() == Some(&wanted)
        })
    }

    /// Returns the file with lines put in front of the line of this index; at the end when there is no such line.
    pub(super) fn insert(&self, index: usize, lines: &[String]) -> Result<Vec<u8>, EditError> {
        // Editors of the DOS age end a file with Ctrl-Z; nothing may follow it.
        let mark = self.text(self.count() - 1).as_deref() == Some("\u{1a}");
        let index = index.min(self.count() - usize::from(mark));
        let line_end = self.line_end();
        let text: String = lines.iter().map(|line| format!("{line}{line_end}")).collect();
        let (at, text) = match self.lines.get(index) {
            Some(line) => (line.start, text),
            None => {
                let last = self.lines.last().map_or(0..0, Clone::clone);
                match last.is_empty() {
                    true => (last.end, text),
                    // The last line has no end; it gets one, and the new last line has none either.
                    false => (last.end, format!("{line_end}{}", lines.join(line_end))),
                }
            }
        };
        let first = match self.lines.get(index) {
            Some(_) => index,
            None => self.count() - usize::from(self.lines.last().is_none_or(Range::is_empty)),
        };
        self.changed(
            at..at,
            &text,
            |new| new,
            |changed| {
                lines
                    .iter()
                    .enumerate()
                    .all(|(offset, line)| changed.text(first + offset).as_deref() == Some(line))
            },
        )
    }

    /// Returns the file without a line and its end.
    pub(super) fn remove(&self, index: usize) -> Result<Vec<u8>, EditError> {
        let line = self.lines.get(index).ok_or(EditError::NoSuchLine(index + 1))?;
        let end = self.lines.get(index + 1).map_or(line.end, |next| next.start);
        self.changed(line.start..end, "", |new| new, |_| true)
    }

    /// Puts `new` in place of `range` in an encoding in which the file then reads as `is_right` wants, and nothing
    /// else in it reads differently: a letter more can change what an encoding is guessed to be.
    fn changed(
        &self,
        range: Range<usize>,
        new: &str,
        around: impl Fn(Vec<u8>) -> Vec<u8>,
        is_right: impl Fn(&RawFile<'_>) -> bool,
    ) -> Result<Vec<u8>, EditError> {
        let before = self.lines.partition_point(|line| line.end < range.start);
        let behind = self.count() - self.lines.partition_point(|line| line.start < range.end);
        let same_outside = |file: &RawFile<'_>| {
            let from_end = |file: &RawFile<'_>, index| file.text(file.count().checked_sub(1 + index)?);
            (0..before).all(|index| self.text(index) == file.text(index))
                && (0..behind).all(|index| from_end(self, index) == from_end(file, index))
        };
        // A file that has UTF-8 beside an old encoding may get more of it; one that has none would turn into a mixture
        // that no editor shows right.
        let mixed = self.width() == 1
            && self.lines.iter().any(|line| {
                let line = &self.bytes[line.clone()];
                !line.is_ascii() && std::str::from_utf8(line).is_ok()
            });
        for encoding in [Some(self.encoding), mixed.then_some(Encoding::Utf8)] {
            let Some(encoded) = encoding.and_then(|encoding| encode(new, encoding)) else {
                continue;
            };
            let bytes = [
                &self.bytes[..range.start],
                &around(encoded),
                &self.bytes[range.end..],
            ]
            .concat();
            let file = RawFile::new(&bytes);
            if file.width() == self.width() && is_right(&file) && same_outside(&file) {
                return Ok(bytes);
            }
        }
        Err(EditError::Letters(self.encoding))
    }

    /// What ends most of its lines; CRLF when there are none, as Notepad wants it.
    fn line_end(&self) -> &'static str {
        let (mut crlf, mut lf, mut cr) = (0, 0, 0);
        for pair in self.lines.windows(2) {
            let width = self.width();
            match (self.ascii(pair[0].end), pair[1].start - pair[0].end) {
                (_, length) if length == 2 * width => crlf += 1,
                (Some(b'\n'), _) => lf += 1,
                _ => cr += 1,
            }
        }
        if lf > crlf && lf >= cr {
            "\n"
        } else if cr > crlf {
            "\r"
        } else {
            "\r\n"
        }
    }

    /// Bytes in a unit of the encoding.
    fn width(&self) -> usize {
        match self.encoding {
            Encoding::Utf16Le | Encoding::Utf16Be => 2,
            _ => 1,
        }
    }

    /// The ASCII character at an offset, if one is there. In every encoding of one-byte units that we read, the second
    /// byte of a character is no line end.
    fn ascii(&self, at: usize) -> Option<u8> {
        let unit = match (self.encoding, self.bytes.get(at..at + self.width())?) {
            (Encoding::Utf16Le, &[low, high]) => u16::from_le_bytes([low, high]),
            (Encoding::Utf16Be, &[high, low]) => u16::from_be_bytes([high, low]),
            (_, bytes) => u16::from(*bytes.first()?),
        };
        u8::try_from(unit).ok().filter(u8::is_ascii)
    }

    fn decode(&self, line: &[u8]) -> String {
        match std::str::from_utf8(line) {
            Ok(text) if self.width() == 1 => text.to_string(),
            _ if self.width() == 2 => codec(self.encoding)
                .decode_without_bom_handling(line)
                .0
                .into_owned(),
            _ => encoding::decode_old(line, self.encoding).into_owned(),
        }
    }

    /// Bytes that a part of the text of a line takes in it.
    fn length(&self, part: &str, line: &[u8]) -> usize {
        match self.encoding {
            Encoding::Utf16Le | Encoding::Utf16Be => part.encode_utf16().count() * 2,
            _ if std::str::from_utf8(line).is_ok() => part.len(),
            encoding => encode(part, encoding).map_or(0, |bytes| bytes.len()),
        }
    }
}

fn codec(encoding: Encoding) -> &'static encoding_rs::Encoding {
    match encoding {
        Encoding::Utf8 => UTF_8,
        Encoding::Utf16Le => UTF_16LE,
        Encoding::Utf16Be => UTF_16BE,
        Encoding::Windows1252 => WINDOWS_1252,
        Encoding::ShiftJis => SHIFT_JIS,
        Encoding::Gbk => GBK,
    }
}

/// None: it has letters that the encoding lacks.
fn encode(text: &str, encoding: Encoding) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Utf16Le => Some(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        Encoding::Utf16Be => Some(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        _ => {
            let (bytes, _, lossy) = codec(encoding).encode(text);
            (!lossy).then(|| bytes.into_owned())
        }
    }
}
