//! The commented `system.ini` of a new card, for people who never saw Linux.

use super::schema::{self, Key, Keys, Section, SubjectKind};
use crate::facts::{Facts, Feature};

/// Longest line, in characters: fits Notepad's first window.
const WIDTH: usize = 76;

const INTRODUCTION: &str = "Settings of this device. Open this file with Notepad, TextEdit or any other text editor, \
    and save it as plain text. To change a setting, delete the ; in front of its line and write the value that you \
    want. Save, take the card out of the computer safely, put it back into the device, and start the device.";
const ANSWER: &str = "Nothing that you write here can break the device. A line that it cannot use is left out, and \
    the file STATUS.txt beside this one says which, why, and what to write instead.";
const REMARKS: &str = "Lines that begin with # or ; are remarks.";

/// Returns the file: what the image can do, and what its blueprint declares. CRLF line ends, ASCII unless the
/// blueprint's texts are not.
pub(super) fn template(facts: &Facts) -> String {
    let mut lines = Vec::new();
    for paragraph in [INTRODUCTION, ANSWER, REMARKS] {
        remark(paragraph, &mut lines);
        lines.push("#".to_string());
    }
    lines.pop();
    let supported = |feature: Option<Feature>| feature.is_none_or(|feature| facts.has(feature));
    for section in schema::sections(&facts.settings) {
        if !supported(section.feature) {
            continue;
        }
        lines.extend([String::new(), String::new()]);
        remark(section.help, &mut lines);
        lines.push(header(&section));
        for key in section
            .own_keys()
            .filter(|key| !key.legacy && supported(key.feature))
        {
            setting(key, &mut lines);
        }
        match section.keys {
            Keys::Units(_) => lines.extend([String::new(), ";nginx = off".to_string()]),
            Keys::Overrides => lines.extend([String::new(), ";system.hostname = kitchen".to_string()]),
            Keys::Fixed(_) | Keys::Declared(_) => {}
        }
        if section.subject == SubjectKind::Port {
            one_port(&section, &mut lines);
        }
    }
    lines.push(String::new());
    lines.join("\r\n")
}

/// The header, and an example of one where it needs a name.
fn header(section: &Section<'_>) -> String {
    let name = section.name;
    match section.subject {
        SubjectKind::None | SubjectKind::Port | SubjectKind::Label => format!("[{name}]"),
        SubjectKind::Interface => format!(";[{name} {name}0]"),
        SubjectKind::Tunnel => format!(";[{name} wg0]"),
        SubjectKind::User => format!(";[{name} anna]"),
        SubjectKind::Machine => format!(";[{name} mac=52:54:00:12:34:56]"),
    }
}

fn setting(key: &Key<'_>, lines: &mut Vec<String>) {
    lines.push(String::new());
    remark(key.help, lines);
    lines.push(format!(";{} = {}", key.name, key.example));
}

fn one_port(section: &Section<'_>, lines: &mut Vec<String>) {
    lines.push(String::new());
    remark("A second port with an address of its own, as an example:", lines);
    lines.push(format!(";[{} eth1]", section.name));
    lines.push(";address = 10.0.0.1/24".to_string());
}

/// Adds a text as remark lines.
fn remark(text: &str, lines: &mut Vec<String>) {
    if text.is_empty() {
        return;
    }
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            lines.push(std::mem::replace(&mut line, String::from("#")));
        }
        line.push(' ');
        line.push_str(word);
    }
    lines.push(line);
}
