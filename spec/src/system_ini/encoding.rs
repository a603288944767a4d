//! From bytes to text: every encoding that an ordinary editor writes.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{BIG5, EUC_JP, EUC_KR, GBK, SHIFT_JIS, UTF_16BE, UTF_16LE, WINDOWS_1252};

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
        _ => return decode_bytewise(rest),
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

/// Decodes UTF-8. Lines that are not UTF-8 are taken as the old encoding that fits them all best, and those alone, so
/// that one old character spoils nothing else.
fn decode_bytewise(bytes: &[u8]) -> Decoded<'_> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Decoded {
            text: Cow::Borrowed(text),
            encoding: Encoding::Utf8,
            guessed: None,
        };
    }
    let guess = guess(bytes);
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 8);
    let mut first_guessed = 0;
    // Counting as the lexer does keeps numbers the same.
    for (line_number, line) in (1..).zip(byte_lines(bytes)) {
        match std::str::from_utf8(line.content) {
            Ok(content) => text.push_str(content),
            Err(_) => {
                text.push_str(&decode_old(line.content, guess));
                if first_guessed == 0 {
                    first_guessed = line_number;
                }
            }
        }
        text.extend(line.end.iter().map(|&b| char::from(b)));
    }
    Decoded {
        text: Cow::Owned(text),
        encoding: guess,
        guessed: Some(first_guessed),
    }
}

struct ByteLine<'a> {
    content: &'a [u8],
    end: &'a [u8],
}

/// Splits at CRLF, LF and CR. None of these is ever part of a character in the encodings that are guessed.
fn byte_lines(bytes: &[u8]) -> impl Iterator<Item = ByteLine<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = rest
            .iter()
            .position(|b| matches!(b, b'\r' | b'\n'))
            .unwrap_or(rest.len());
        let (content, tail) = rest.split_at(end);
        // CR belongs to a line end only together with LF or alone.
        let (end, tail) = tail.split_at(match tail {
            [b'\r', b'\n', ..] => 2,
            [_, ..] => 1,
            [] => 0,
        });
        rest = tail;
        Some(ByteLine { content, end })
    })
}

/// The detector has seen enough after this many bytes in old encodings.
const SAMPLE: usize = 64 * 1024;

/// Returns the old encoding that the lines which are not UTF-8 are most probably in.
fn guess(bytes: &[u8]) -> Encoding {
    let mut room = SAMPLE;
    let lines: Vec<&[u8]> = byte_lines(bytes)
        .map(|line| line.content)
        .filter(|line| std::str::from_utf8(line).is_err())
        .map_while(|line| {
            let whole = line.len() <= room || room == SAMPLE;
            let taken = &line[..line.len().min(room)];
            room -= taken.len();
            whole.then_some(taken)
        })
        .collect();
    let best = detect(&lines);
    if best != Encoding::Windows1252 {
        return best;
    }
    // To the detector one byte that an encoding lacks rules it out. Here the other lines are asked once more.
    for encoding in [Encoding::ShiftJis, Encoding::Gbk] {
        let fits = |line: &&[u8]| decode_as(line, encoding).is_some();
        let fitting: Vec<&[u8]> = lines.iter().copied().filter(fits).collect();
        if fitting.len() * 2 > lines.len() && fitting.len() < lines.len() && detect(&fitting) == encoding {
            return encoding;
        }
    }
    best
}

fn detect(lines: &[&[u8]]) -> Encoding {
    // Nobody has saved a file in ISO-2022-JP since mail programs did.
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    for line in lines {
        detector.feed(line, false);
        detector.feed(b"\n", false);
    }
    detector.feed(b"", true);
    let mut best = detector.guess(None, Utf8Detection::Deny);
    if ![SHIFT_JIS, GBK].contains(&best) {
        // One word is little for a detector. Here it is enough that it could hardly be anything else.
        for encoding in [Encoding::ShiftJis, Encoding::Gbk] {
            if are_common_words(lines, encoding) {
                return encoding;
            }
        }
    }
    if [EUC_KR, EUC_JP, BIG5].contains(&best) {
        // A few Chinese characters look Korean too; editors save Chinese far more often in an old encoding.
        best = detector.guess(Some(b"cn"), Utf8Detection::Deny);
    }
    match best {
        _ if best == SHIFT_JIS => Encoding::ShiftJis,
        _ if best == GBK => Encoding::Gbk,
        _ => Encoding::Windows1252,
    }
}

/// Whether all letters that are not ASCII are everyday ones of an encoding, and two of them stand together somewhere.
/// Accents of western Europe are never so: they are rare letters there, or stand alone.
fn are_common_words(lines: &[&[u8]], encoding: Encoding) -> bool {
    let mut longest = 0;
    for line in lines {
        let (mut rest, mut run) = (*line, 0);
        while let [first, tail @ ..] = rest {
            rest = tail;
            if first.is_ascii() {
                run = 0;
                continue;
            }
            let [second, tail @ ..] = rest else { return false };
            let common = match encoding {
                // Signs and kana; NEC's signs; the kanji of JIS level 1.
                Encoding::ShiftJis => {
                    matches!(first, 0x81..=0x84 | 0x87..=0x98) && matches!(second, 0x40..=0x7e | 0x80..=0xfc)
                }
                // Signs; the characters of GB 2312 level 1.
                _ => matches!(first, 0xa1..=0xa3 | 0xb0..=0xd7) && *second >= 0xa1,
            };
            if !common {
                return false;
            }
            rest = tail;
            run += 1;
            longest = longest.max(run);
        }
    }
    longest >= 2
}

/// Decodes a line; none when it is not in this old encoding.
fn decode_as(line: &[u8], encoding: Encoding) -> Option<Cow<'_, str>> {
    let table = match encoding {
        Encoding::ShiftJis => SHIFT_JIS,
        Encoding::Gbk => GBK,
        _ => WINDOWS_1252,
    };
    table.decode_without_bom_handling_and_without_replacement(line)
}

/// Decodes a line as `guess`, or where it is not that either, as Windows-1252, in which every byte is a character.
pub(super) fn decode_old(line: &[u8], guess: Encoding) -> Cow<'_, str> {
    decode_as(line, guess).unwrap_or_else(|| WINDOWS_1252.decode_without_bom_handling(line).0)
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

    #[test]
    fn the_old_encoding_is_guessed_from_a_few_characters() {
        use encoding_rs::Encoding as Table;
        let cases: [(&'static Table, Encoding, &[&str]); 3] = [
            (
                SHIFT_JIS,
                Encoding::ShiftJis,
                &[
                    "台所",
                    "設定",
                    "東京",
                    "表示",
                    "これ",
                    "(株)山田",
                    "テスト",
                    "ホスト名をここに書く。",
                    "予定表：機能",
                ],
            ),
            (
                GBK,
                Encoding::Gbk,
                &["厨房", "设置", "工厂", "时区", "网络地址", "在这里写机器的名字"],
            ),
            (
                WINDOWS_1252,
                Encoding::Windows1252,
                &[
                    "Küche",
                    "Grüße",
                    "Anna’s",
                    "‘a’ „b“",
                    "ÄÖ",
                    "créé à Genève",
                    "ÄÖÜ äöü ß",
                    "10 °C",
                    "“Home”",
                    "España – señal",
                    "€",
                    "µ",
                ],
            ),
        ];
        for (table, encoding, samples) in cases {
            for sample in samples {
                let text = format!("[system]\r\n# {sample}\r\nhostname = kitchen\r\n");
                let bytes = table.encode(&text).0;
                let decoded = decode(&bytes);
                assert_eq!((decoded.text.as_ref(), decoded.encoding), (&text[..], encoding));
                assert_eq!(decoded.guessed, Some(2));
            }
        }
    }

    #[test]
    fn lines_in_several_encodings_are_each_read() {
        let mut bytes = "# 台所\n".as_bytes().to_vec();
        bytes.extend_from_slice(
            &SHIFT_JIS
                .encode("# ホスト名をここに書く\nhostname = a\n# 設定\n")
                .0,
        );
        bytes.extend_from_slice(b"# cut off: \x91");
        let decoded = decode(&bytes);
        assert_eq!(
            decoded.text,
            "# 台所\n# ホスト名をここに書く\nhostname = a\n# 設定\n# cut off: \u{2018}"
        );
        assert_eq!((decoded.encoding, decoded.guessed), (Encoding::ShiftJis, Some(2)));
    }
}
