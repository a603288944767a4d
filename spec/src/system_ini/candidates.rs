//! Which file of a card is meant as `system.ini`: editors, browsers and file managers change its name in many ways.

mod names;

use names::{Candidate, Kind, candidate};

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

#[cfg(test)]
mod tests {
    use super::*;

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
