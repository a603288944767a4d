//! Names that computers make of `system.ini`.

use std::cmp::Reverse;

use crate::layout::card::SYSTEM_INI;

/// How a name came about; the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// `system.ini`
    Exact,
    /// `SYSTEM.INI`
    OtherCase,
    /// `system.ini.txt`: Windows hides endings.
    SecondEnding,
    /// `system.txt`, `system`
    OtherEnding,
    /// `system.rtf`, `system.ini.rtf`
    RichText,
    /// `system (1).ini`: what a browser or Explorer calls a new file beside an old one.
    Numbered,
    /// `system - Copy.ini`
    Copy,
    /// What is left of a write that a power cut ended.
    Leftover,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    pub(super) kind: Kind,
    /// The highest number is the newest file.
    number: Reverse<u32>,
    pub(super) name: String,
}

/// Words for a copy, as file managers of several languages write them behind a name.
const COPY: [&str; 9] = [
    "copy",
    "kopie",
    "コピー",
    "副本",
    "copie",
    "copia",
    "cópia",
    "kopia",
    "kopi",
];
/// What they write in front of it.
const COPY_OF: [(&str, &str); 8] = [
    ("copy", "of "),
    ("kopie", "von "),
    ("copie", "de "),
    ("copia", "de "),
    ("copia", "di "),
    ("cópia", "de "),
    ("コピー", ""),
    ("复件", ""),
];
const ENDINGS: [&str; 4] = [".ini", ".txt", ".text", ".rtf"];
/// Longest name of a file on FAT, in UTF-16 units.
const LONGEST_NAME: usize = 255;

/// Returns what a name says about its file; none when no `system.ini` can be meant.
pub(super) fn candidate(name: String) -> Option<Candidate> {
    let new = |kind, number, name| {
        let number = Reverse(number);
        Some(Candidate { kind, number, name })
    };
    if name == SYSTEM_INI {
        return new(Kind::Exact, 0, name);
    }
    if name.eq_ignore_ascii_case(SYSTEM_INI) {
        return new(Kind::OtherCase, 0, name);
    }
    if name.chars().count() > LONGEST_NAME {
        return None;
    }
    // macOS writes some letters as two characters.
    let lower = name
        .to_lowercase()
        .replace("ヒ\u{309a}", "ピ")
        .replace("o\u{301}", "ó");
    if lower.strip_suffix(".new") == Some(SYSTEM_INI) {
        return new(Kind::Leftover, 0, name);
    }
    let mut endings: Vec<&str> = Vec::new();
    let (mut copy, mut number) = (false, None);
    let mut rest = lower.as_str();
    loop {
        rest = rest.trim();
        if let Some((ending, stem)) = without_ending(rest) {
            endings.push(ending);
            rest = stem;
        } else if let Some((stem, found)) = without_number(rest) {
            number = number.or(Some(found));
            rest = stem;
        } else if let Some(stem) = without_copy(rest) {
            copy = true;
            rest = stem;
        } else {
            break;
        }
    }
    if rest != "system" {
        return None;
    }
    let kind = match (copy, number) {
        (true, _) => Kind::Copy,
        (_, Some(_)) => Kind::Numbered,
        _ if endings.contains(&".rtf") => Kind::RichText,
        _ if endings.contains(&".ini") => Kind::SecondEnding,
        _ => Kind::OtherEnding,
    };
    new(kind, number.unwrap_or(0), name)
}

fn without_ending(name: &str) -> Option<(&'static str, &str)> {
    ENDINGS
        .iter()
        .find_map(|ending| Some((*ending, name.strip_suffix(ending)?)))
}

/// `system (2)`, `system(2)`, `system 2`, and `system copy 2`
fn without_number(name: &str) -> Option<(&str, u32)> {
    let inside = name.strip_suffix([')', '）']);
    let digits = inside.unwrap_or(name);
    let stem = digits.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = digits[stem.len()..].parse().ok()?;
    let stem = match inside {
        Some(_) => stem.strip_suffix(['(', '（'])?,
        // Not "system2": that is another name.
        None => stem
            .strip_suffix(' ')
            .or(stem.ends_with("コピー").then_some(stem))?,
    };
    Some((stem, number))
}

/// `system - copy`, `system copy`, `systemのコピー`, `system (copy)`, and `copy (2) of system`
fn without_copy(name: &str) -> Option<&str> {
    let behind = COPY.iter().find_map(|word| {
        if let Some(stem) = name.strip_suffix(')').and_then(|name| name.strip_suffix(word)) {
            return stem.strip_suffix('(');
        }
        let stem = name.strip_suffix(word)?;
        let bare = stem.trim_end_matches([' ', '-', '–', '_', 'の']);
        (bare.len() < stem.len()).then_some(bare)
    });
    behind.or_else(|| {
        COPY_OF.iter().find_map(|(copy, of)| {
            let rest = name.strip_prefix(copy)?.trim_start();
            let rest = match rest.strip_prefix('(').and_then(|rest| rest.split_once(')')) {
                Some((number, rest)) if number.parse::<u32>().is_ok() => rest.trim_start(),
                _ => rest,
            };
            Some(rest.strip_prefix(of)?.trim_start_matches([' ', '~', '～', '〜']))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str) -> Option<Kind> {
        candidate(name.into()).map(|candidate| candidate.kind)
    }

    #[test]
    fn names_that_computers_make_of_it() {
        for (want, names) in [
            (Kind::Exact, &["system.ini"][..]),
            (Kind::OtherCase, &["SYSTEM.INI", "System.ini"]),
            (
                Kind::SecondEnding,
                &[
                    "system.ini.txt",
                    "System.ini.TXT",
                    "system.ini.ini",
                    "system.ini.txt.txt",
                    "system .ini",
                ],
            ),
            (
                Kind::OtherEnding,
                &["system.txt", "system.text", "system", "SYSTEM.TXT"],
            ),
            (
                Kind::RichText,
                &["system.rtf", "system.ini.rtf", "system.rtf.ini"],
            ),
            (
                Kind::Numbered,
                &[
                    "system (1).ini",
                    "system(1).ini",
                    "system 2.ini",
                    "system.ini (1).txt",
                    "system (12).txt",
                    "system （2）.ini",
                ],
            ),
            (
                Kind::Copy,
                &[
                    "Copy of system.ini",
                    "Copy (2) of system.ini",
                    "system - Copy.ini",
                    "system - Copy (2).ini",
                    "system copy.ini",
                    "system copy 2.ini",
                    "system - コピー.ini",
                    "system - コヒ\u{309a}ー.ini",
                    "systemのコピー.ini",
                    "systemのコピー2.ini",
                    "コピー ～ system.ini",
                    "system - Kopie.ini",
                    "Kopie von system.ini",
                    "system Kopie.ini",
                    "system - 副本.ini",
                    "复件 system.ini",
                    "system (Kopie).ini",
                    "system (copy).ini",
                    "system.ini - Copy.txt",
                    "Copie de system.ini",
                    "system - Copy - Copy.ini",
                    "system.ini copy",
                ],
            ),
            (Kind::Leftover, &["system.ini.new", "SYSTEM.INI.NEW"]),
        ] {
            for name in names {
                assert_eq!(kind(name), Some(want), "{name}");
            }
        }
    }

    #[test]
    fn names_of_other_files() {
        for name in [
            "._system.ini",
            "~$system.ini",
            "~system.ini",
            ".system.ini",
            ".DS_Store",
            "Thumbs.db",
            "desktop.ini",
            "system.img",
            "system.ini.bak",
            "system.ini~",
            "system.ini.old",
            "system.ini.docx",
            "system2.ini",
            "mysystem.ini",
            "systems.ini",
            "System Volume Information",
            "STATUS.txt",
            "README.txt",
            "copy.ini",
            "systemcopy.ini",
            "(1).ini",
            "",
            " ",
            "ini",
            ".ini",
            "system.ini.part",
            "#system.ini#",
            "copy of.ini",
            "system (x).ini",
            "system.dll",
        ] {
            assert_eq!(kind(name), None, "{name}");
        }
        assert_eq!(kind(&format!("system{}.ini", " (1)".repeat(100_000))), None);
    }
}
