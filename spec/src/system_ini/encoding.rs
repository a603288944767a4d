//! From bytes to text: every encoding that an ordinary editor writes.

use std::borrow::Cow;

use encoding_rs::{UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::Encoding;

/// A file as text.
pub(super) struct Decoded<'a> {
    pub(super) text: Cow<'a, str>,
    pub(super) encoding: Encoding,
    /// Number of the first line that had to be guessed, from 1.
    pub(super) guessed: Option<u32>,
}

/// Decodes a file; never fails.
pub(super) fn decode(bytes: &[u8]) -> Decoded<'_> {
    let (known, rest) = match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => (Encoding::Utf8, rest),
        [0xff, 0xfe, rest @ ..] => (Encoding::Utf16Le, rest),
        [0xfe, 0xff, rest @ ..] => (Encoding::Utf16Be, rest),
        _ => (utf16_without_bom(bytes).unwrap_or(Encoding::Utf8), bytes),
    };
    let decoder = match known {
        Encoding::Utf16Le => UTF_16LE,
        Encoding::Utf16Be => UTF_16BE,
        Encoding::Utf8 | Encoding::Windows1252 => return decode_bytewise(rest),
    };
    // Half a character at the end is left over from a write that was cut short.
    let whole = &rest[..rest.len() & !1];
    Decoded {
        text: decoder.decode_without_bom_handling(whole).0,
        encoding: known,
        guessed: None,
    }
}

/// Recognises UTF-16 by its zero bytes: line ends, blanks, `=` and every ASCII letter have one, always on the same
/// side. One in eight characters is enough, so that a Japanese comment does not hide it.
fn utf16_without_bom(bytes: &[u8]) -> Option<Encoding> {
    let (mut high_first, mut low_first) = (0, 0);
    let pairs = bytes.chunks_exact(2);
    let count = pairs.len();
    for pair in pairs {
        match pair {
            [0, low] if *low != 0 => high_first += 1,
            [low, 0] if *low != 0 => low_first += 1,
            _ => {}
        }
    }
    let clearly = |these: usize, those: usize| these >= 4 && these >= count / 8 && those <= these / 16;
    if clearly(low_first, high_first) {
        Some(Encoding::Utf16Le)
    } else if clearly(high_first, low_first) {
        Some(Encoding::Utf16Be)
    } else {
        None
    }
}

/// Decodes UTF-8. Where a line is not UTF-8, that line alone is taken as Windows-1252, so that one old character
/// spoils nothing else.
fn decode_bytewise(bytes: &[u8]) -> Decoded<'_> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Decoded {
            text: Cow::Borrowed(text),
            encoding: Encoding::Utf8,
            guessed: None,
        };
    }
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 8);
    let mut first_guessed = 0;
    // CR belongs to a line end only together with LF or alone; counting as the lexer does keeps numbers the same.
    let mut line_number = 1;
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = rest
            .iter()
            .position(|b| matches!(b, b'\r' | b'\n'))
            .unwrap_or(rest.len());
        let (line, tail) = rest.split_at(end);
        match std::str::from_utf8(line) {
            Ok(line) => text.push_str(line),
            Err(_) => {
                text.push_str(&WINDOWS_1252.decode_without_bom_handling(line).0);
                if first_guessed == 0 {
                    first_guessed = line_number;
                }
            }
        }
        let break_length = match tail {
            [b'\r', b'\n', ..] => 2,
            [_, ..] => 1,
            [] => 0,
        };
        text.extend(tail[..break_length].iter().map(|&b| char::from(b)));
        rest = &tail[break_length..];
        line_number += 1;
    }
    Decoded {
        text: Cow::Owned(text),
        encoding: Encoding::Windows1252,
        guessed: Some(first_guessed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(order).collect()
    }

    #[test]
    fn utf16_is_known_without_its_mark() {
        let text = "[system]\r\n# 台所の機械、名前をここに書く\r\nhostname = kitchen\r\n";
        for (order, encoding) in [
            (u16::to_le_bytes as fn(u16) -> [u8; 2], Encoding::Utf16Le),
            (u16::to_be_bytes, Encoding::Utf16Be),
        ] {
            for mark in ["", "\u{feff}"] {
                let bytes = utf16(&format!("{mark}{text}"), order);
                let decoded = decode(&bytes);
                assert_eq!((decoded.text.as_ref(), decoded.encoding), (text, encoding));
            }
        }
    }

    #[test]
    fn zero_bytes_alone_are_not_utf16() {
        for bytes in [&[0u8; 4096][..], b"host\0name=x\n", b"", b"\0", b"a\0\0b"] {
            assert_eq!(decode(bytes).encoding, Encoding::Utf8, "{bytes:?}");
        }
    }

    #[test]
    fn an_old_character_spoils_its_own_line_only() {
        let decoded = decode(b"# caf\xc3\xa9\r\n# K\xfcche \x80\rhostname=a\n\xff");
        assert_eq!(decoded.text, "# café\r\n# Küche €\rhostname=a\nÿ");
        assert_eq!(
            (decoded.encoding, decoded.guessed),
            (Encoding::Windows1252, Some(2))
        );
    }
}
