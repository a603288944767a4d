//! Which file of a card is meant as `system.ini`: editors, browsers and file managers change its name in many ways.

use std::cmp::Reverse;

use super::{encoding, lexer, rtf, shorten};
use crate::layout::card::SYSTEM_INI;
use crate::report::{Diagnostic, Severity};
use crate::text;
use crate::text::Text;

/// What is in a file that may be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Lines that may be settings.
    Settings,
    /// No setting at all; see [`says_nothing`].
    Nothing,
    /// It can't be read, is a folder, or is too long.
    Unusable,
}

/// Which file to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its name; none when no file can be meant.
    pub name: Option<String>,
    /// What to say about the choice: why this file, and which other ones were left aside.
    pub remarks: Vec<Diagnostic>,
}

/// Files of which the content is looked at. Nobody has more of them, and a start must not take long.
const LOOK_LIMIT: usize = 12;
/// Files that are named in a remark.
const NAME_LIMIT: usize = 5;

/// Chooses among the names in the top folder of a card. `look` is asked about the best ones, the best first, and only
/// until one has settings.
///
/// `system.ini` itself always wins when it sets anything. Where it sets nothing, a file that is the same under another
/// ending (`system.ini.txt`) or that was put beside it (`system (1).ini`) is what its writer meant; a copy
/// (`system - Copy.ini`) is more probably what somebody put aside before they emptied the file.
pub fn choose<N: Into<String>>(
    names: impl IntoIterator<Item = N>,
    mut look: impl FnMut(&str) -> Content,
) -> Choice {
    let mut candidates: Vec<Candidate> = names
        .into_iter()
        .filter_map(|name| candidate(name.into()))
        .collect();
    candidates.sort();
    let mut best: Option<(usize, Content)> = None;
    let mut exact = None;
    for (index, candidate) in candidates.iter().enumerate().take(LOOK_LIMIT) {
        let content = look(&candidate.name);
        if candidate.kind <= Kind::OtherCase {
            exact = exact.or(Some(content));
        }
        let better = match (content, best) {
            (_, None) => true,
            (Content::Settings, Some((_, Content::Nothing))) => candidate.kind != Kind::Copy,
            (Content::Settings | Content::Nothing, Some((_, Content::Unusable))) => true,
            _ => false,
        };
        if better {
            best = Some((index, content));
        }
        if best.is_some_and(|(_, content)| content == Content::Settings) {
            break;
        }
    }
    let Some((index, _)) = best else {
        return Choice {
            name: None,
            remarks: Vec::new(),
        };
    };
    let used = candidates.remove(index);
    // The one for which another one stands in was named with it.
    if used.kind > Kind::OtherCase && exact.is_some() {
        candidates.retain(|candidate| candidate.kind > Kind::OtherCase);
    }
    Choice {
        remarks: stand_in(&used, exact)
            .into_iter()
            .chain(left_aside(&candidates))
            .collect(),
        name: Some(used.name),
    }
}

/// Whether a file holds no setting: nothing at all, zeros, or headers and remarks alone, as on a new card.
pub fn says_nothing(bytes: &[u8]) -> bool {
    let decoded = encoding::decode(bytes);
    let recovered = rtf::recover(&decoded.text);
    let text = recovered.as_deref().unwrap_or(&decoded.text);
    text.chars().all(|c| c == '\0' || lexer::is_blank(c))
        || lexer::lex(text).all(|line| matches!(line.shape, lexer::Shape::Header { .. }))
}

/// Says which file was used where that is not `system.ini`.
fn stand_in(used: &Candidate, exact: Option<Content>) -> Option<Diagnostic> {
    if used.kind <= Kind::OtherCase {
        return None;
    }
    let file = shown(&used.name);
    let (severity, problem) = match exact {
        None => (
            Severity::Note,
            text!(
                "there is no {wanted} on the card; {file} was used",
                wanted = SYSTEM_INI,
                file
            ),
        ),
        Some(Content::Nothing | Content::Settings) => (
            Severity::Note,
            text!(
                "no setting is written in {wanted}; {file} was used",
                wanted = SYSTEM_INI,
                file
            ),
        ),
        Some(Content::Unusable) => (
            Severity::Warning,
            text!(
                "{wanted} cannot be used; {file} was used",
                wanted = SYSTEM_INI,
                file
            ),
        ),
    };
    let hint = match exact {
        None => text!("rename it to {wanted}", wanted = SYSTEM_INI),
        Some(_) => text!(
            "delete {wanted}, and give its name to the other file",
            wanted = SYSTEM_INI
        ),
    };
    Some(remark(severity, problem, hint))
}

/// Names the files that may be meant as well.
fn left_aside(candidates: &[Candidate]) -> Option<Diagnostic> {
    let names: Vec<_> = candidates
        .iter()
        .take(NAME_LIMIT)
        .map(|candidate| shown(&candidate.name))
        .collect();
    let file = names.join(", ");
    let problem = match candidates.len() {
        0 => return None,
        1 => text!("{file} is on the card too, and was not used", file),
        count if count <= NAME_LIMIT => text!("{files} are on the card too, and were not used", files = file),
        count => text!(
            "{files} and {number} more are on the card too, and were not used",
            files = file,
            number = count - NAME_LIMIT
        ),
    };
    // Copies are made on purpose. A file with another ending was probably meant.
    let meant = candidates.iter().any(|candidate| candidate.kind < Kind::Numbered);
    let severity = if meant { Severity::Warning } else { Severity::Note };
    let hint = text!(
        "only one file is read; keep the settings in {wanted}",
        wanted = SYSTEM_INI
    );
    Some(remark(severity, problem, hint))
}

fn remark(severity: Severity, problem: Text, hint: Text) -> Diagnostic {
    Diagnostic {
        line: None,
        column: None,
        section: None,
        key: None,
        severity,
        problem,
        used: None,
        hint: Some(hint),
        text: None,
    }
}

fn shown(name: &str) -> String {
    shorten(name, 60)
}

/// How a name came about; the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
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
struct Candidate {
    kind: Kind,
    /// The highest number is the newest file.
    number: Reverse<u32>,
    name: String,
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

fn candidate(name: String) -> Option<Candidate> {
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

    /// Chooses among files, of which `!` marks those that can't be used and `-` those without settings.
    fn chosen(files: &[&str]) -> (Option<String>, Vec<String>) {
        let name = |file: &str| file.trim_start_matches(['!', '-']).to_string();
        let choice = choose(files.iter().map(|file| name(file)), |wanted| {
            let file = files.iter().find(|file| name(file) == wanted).unwrap();
            match file.chars().next() {
                Some('!') => Content::Unusable,
                Some('-') => Content::Nothing,
                _ => Content::Settings,
            }
        });
        let said = choice
            .remarks
            .iter()
            .map(|remark| format!("{:?}: {}", remark.severity, remark.problem.english()))
            .collect();
        (choice.name, said)
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

    #[test]
    fn the_file_itself_wins_when_it_sets_anything() {
        let (name, said) = chosen(&["system (1).ini", "system.ini.txt", "system.ini", "STATUS.txt"]);
        assert_eq!(name.as_deref(), Some("system.ini"));
        assert_eq!(
            said,
            ["Warning: system.ini.txt, system (1).ini are on the card too, and were not used"]
        );
        let (name, said) = chosen(&["system - Copy.ini", "SYSTEM.INI"]);
        assert_eq!(name.as_deref(), Some("SYSTEM.INI"));
        assert_eq!(
            said,
            ["Note: system - Copy.ini is on the card too, and was not used"]
        );
        assert_eq!(chosen(&["system.ini"]), (Some("system.ini".into()), vec![]));
        assert_eq!(chosen(&["STATUS.txt"]), (None, vec![]));
    }

    #[test]
    fn another_one_stands_in() {
        for (files, want, said) in [
            (
                &["system.txt", "system.ini.txt"][..],
                "system.ini.txt",
                &[
                    "Note: there is no system.ini on the card; system.ini.txt was used",
                    "Warning: system.txt is on the card too, and was not used",
                ][..],
            ),
            (
                &["-system.ini", "system.ini.txt"],
                "system.ini.txt",
                &["Note: no setting is written in system.ini; system.ini.txt was used"],
            ),
            (
                &["-system.ini", "system (1).ini", "system (2).ini"],
                "system (2).ini",
                &[
                    "Note: no setting is written in system.ini; system (2).ini was used",
                    "Note: system (1).ini is on the card too, and was not used",
                ],
            ),
            (
                &["!system.ini", "system - Copy.ini"],
                "system - Copy.ini",
                &["Warning: system.ini cannot be used; system - Copy.ini was used"],
            ),
            (
                &["!system.ini", "-system.txt"],
                "system.txt",
                &["Warning: system.ini cannot be used; system.txt was used"],
            ),
            // Put aside before the file was emptied.
            (
                &["-system.ini", "system - Copy.ini"],
                "system.ini",
                &["Note: system - Copy.ini is on the card too, and was not used"],
            ),
            (
                &["-system.ini", "-system.ini.txt"],
                "system.ini",
                &["Warning: system.ini.txt is on the card too, and was not used"],
            ),
            (&["!system.ini"], "system.ini", &[]),
            (
                &["system.ini.new"],
                "system.ini.new",
                &["Note: there is no system.ini on the card; system.ini.new was used"],
            ),
        ] {
            let (name, remarks) = chosen(files);
            assert_eq!(name.as_deref(), Some(want), "{files:?}");
            assert_eq!(remarks, said, "{files:?}");
        }
    }

    #[test]
    fn a_crowd_costs_little() {
        let names: Vec<_> = (1..20_000)
            .map(|number| format!("system ({number}).ini"))
            .collect();
        let mut looks = 0;
        let choice = choose(names, |_| {
            looks += 1;
            Content::Unusable
        });
        assert_eq!(
            (choice.name.as_deref(), looks),
            (Some("system (19999).ini"), LOOK_LIMIT)
        );
        assert_eq!(
            choice.remarks[1].problem.english(),
            "system (19998).ini, system (19997).ini, system (19996).ini, system (19995).ini, system (19994).ini and 19993 \
             more are on the card too, and were not used"
        );
    }

    #[test]
    fn remarks_and_headers_set_nothing() {
        for bytes in [
            &b""[..],
            b"\r\n \r\n",
            b"\0\0\0\0",
            b"# hostname = a\r\n[system]\r\n;hostname = b\r\n",
            b"\xff\xfe#\0\r\0\n\0",
            b"{\\rtf1\\ansi # nothing\\par}",
        ] {
            assert!(says_nothing(bytes), "{bytes:?}");
        }
        for bytes in [
            &b"hostname = a"[..],
            b"[system] hostname = a",
            b"stray",
            b"{\\rtf1 a=b}",
            b"\x01\x02",
        ] {
            assert!(!says_nothing(bytes), "{bytes:?}");
        }
    }
}
