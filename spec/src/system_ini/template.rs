//! The commented `system.ini` of a new card, for people who never saw Linux.

use super::schema::{Key, Keys, SECTIONS, Section, SubjectKind};

/// Longest line, in characters: fits Notepad's first window.
const WIDTH: usize = 76;

const INTRODUCTION: &str = "Settings of this device. Open this file with Notepad, TextEdit or any other text editor, \
    and save it as plain text. To change a setting, delete the ; in front of its line and write the value that you \
    want. Save, take the card out of the computer safely, put it back into the device, and start the device.";
const ANSWER: &str = "Nothing that you write here can break the device. A line that it cannot use is left out, and \
    the file STATUS.txt beside this one says which, why, and what to write instead.";
const REMARKS: &str = "Lines that begin with # or ; are remarks.";

/// Returns the file. CRLF line ends, ASCII.
pub(super) fn template() -> String {
    let mut lines = Vec::new();
    for paragraph in [INTRODUCTION, ANSWER, REMARKS] {
        remark(paragraph, &mut lines);
        lines.push("#".to_string());
    }
    lines.pop();
    for section in SECTIONS {
        lines.push(String::new());
        lines.push(String::new());
        remark(section.help, &mut lines);
        lines.push(format!("[{}]", section.name));
        for key in section.fixed_keys() {
            setting(key, &mut lines);
        }
        if let Keys::Units(_) = section.keys {
            lines.extend(["".to_string(), ";nginx = off".to_string()]);
        }
        if section.subject == SubjectKind::Port {
            one_port(section, &mut lines);
        }
    }
    lines.push(String::new());
    lines.join("\r\n")
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
