//! passwd(5), shadow(5), group(5) and gshadow(5) as tables: one line changes, and every other byte stays, also where it
//! is no line of that kind.

use std::collections::BTreeSet;

/// A file of lines with fields between colons. The first field is the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Table {
    /// Lines with their ends; only the last may lack it.
    lines: Vec<Vec<u8>>,
}

/// Where a line stands in its table.
pub(super) type Row = usize;

impl Table {
    pub(super) fn parse(content: &[u8]) -> Table {
        Table {
            lines: content
                .split_inclusive(|byte| *byte == b'\n')
                .map(<[u8]>::to_vec)
                .collect(),
        }
    }

    pub(super) fn content(&self) -> Vec<u8> {
        self.lines.concat()
    }

    /// Returns the first line of this name: the one that holds (getpwnam(3) reads from the top).
    pub(super) fn find(&self, name: &str) -> Option<Row> {
        self.position(name.as_bytes())
    }

    /// Returns a field, from 0; empty when the line has not so many.
    pub(super) fn field(&self, row: Row, index: usize) -> &[u8] {
        fields(&self.lines[row]).nth(index).unwrap_or(b"")
    }

    /// Returns a field that is a number.
    pub(super) fn number(&self, row: Row, index: usize) -> Option<u32> {
        std::str::from_utf8(self.field(row, index)).ok()?.parse().ok()
    }

    /// Whether some line has this number in this field.
    pub(super) fn has_number(&self, index: usize, number: u32) -> bool {
        (0..self.lines.len()).any(|row| self.number(row, index) == Some(number))
    }

    /// Replaces a field; a line that has not so many gets them.
    pub(super) fn set(&mut self, row: Row, index: usize, value: &str) {
        let line = &self.lines[row];
        let end: &[u8] = if line.ends_with(b"\n") { b"\n" } else { b"" };
        let mut all: Vec<&[u8]> = fields(line).collect();
        all.resize(all.len().max(index + 1), b"");
        all[index] = value.as_bytes();
        self.lines[row] = [&all.join(&b':'), end].concat();
    }

    /// Adds a name to a field that is a list of names between commas, unless it is there.
    pub(super) fn add_member(&mut self, row: Row, index: usize, name: &str) {
        let members = String::from_utf8_lossy(self.field(row, index)).into_owned();
        if members.split(',').any(|member| member == name) {
            return;
        }
        let separator = if members.is_empty() { "" } else { "," };
        self.set(row, index, &format!("{members}{separator}{name}"));
    }

    fn names(&self) -> impl Iterator<Item = Vec<u8>> {
        let lines = self.lines.iter().filter(|line| line.contains(&b':'));
        lines.filter_map(|line| fields(line).next().map(<[u8]>::to_vec))
    }

    fn position(&self, name: &[u8]) -> Option<Row> {
        self.lines
            .iter()
            .position(|line| fields(line).next() == Some(name) && line.contains(&b':'))
    }

    /// Returns the line of a name without its end.
    fn line(&self, name: &[u8]) -> Option<&[u8]> {
        let line = &self.lines[self.position(name)?];
        Some(line.strip_suffix(b"\n").unwrap_or(line))
    }

    /// Puts a line in the place of the one of this name, or at the end; none takes it away.
    fn replace(&mut self, name: &[u8], line: Option<&[u8]>) {
        let whole = line.map(|line| [line, b"\n"].concat());
        match (self.position(name), whole) {
            (Some(row), Some(whole)) => self.lines[row] = whole,
            (Some(row), None) => drop(self.lines.remove(row)),
            (None, Some(whole)) => {
                self.end_last_line();
                self.lines.push(whole);
            }
            (None, None) => {}
        }
    }

    fn end_last_line(&mut self) {
        if let Some(last) = self.lines.last_mut()
            && !last.ends_with(b"\n")
        {
            last.push(b'\n');
        }
    }

    /// Adds a line at the end.
    pub(super) fn push(&mut self, line: &str) {
        self.end_last_line();
        self.lines.push(format!("{line}\n").into_bytes());
    }
}

/// Returns `current` with the lines that lead from `old` to `new`: by name, the first of each, and no other line.
pub(crate) fn merge(current: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let (old, new) = (Table::parse(old), Table::parse(new));
    let mut current = Table::parse(current);
    let mut done = BTreeSet::new();
    for name in [&new, &old].into_iter().flat_map(Table::names) {
        if !done.insert(name.clone()) {
            continue;
        }
        let line = new.line(&name);
        if old.line(&name) != line {
            current.replace(&name, line);
        }
    }
    current.content()
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.strip_suffix(b"\n")
        .unwrap_or(line)
        .split(|byte| *byte == b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_changes_and_the_rest_stays_as_it_was() {
        let content = b"root:x:0:0:root:/root:/bin/bash\n\n# M\xfcller:\nbroken\nanna:!:1000:1000::/home/anna:/bin/sh:more";
        let mut table = Table::parse(content);
        assert_eq!(table.content(), content);
        assert_eq!(
            (table.find("anna"), table.find("broken"), table.find("ann")),
            (Some(4), None, None)
        );
        let anna = table.find("anna").unwrap();
        assert_eq!(
            (table.number(anna, 2), table.field(anna, 6)),
            (Some(1000), &b"/bin/sh"[..])
        );
        assert!(table.has_number(2, 1000) && !table.has_number(2, 1001));
        table.set(anna, 1, "x");
        table.push("ben:x:1001");
        assert_eq!(
            table.content(),
            b"root:x:0:0:root:/root:/bin/bash\n\n# M\xfcller:\nbroken\nanna:x:1000:1000::/home/anna:/bin/sh:more\nben:x:1001\n"
        );
    }

    #[test]
    fn only_what_the_settings_change_changes() {
        let old = b"root:*::\nanna:OLD::\nben:BEN::\n";
        let new = b"root:NEW::\nanna:OLD::\ncarl:CARL::\n";
        let current = b"root:*::\n# mine\nanna:PASSWD::\nben:BEN::\npostfix:!::";
        assert_eq!(
            merge(current, old, new),
            b"root:NEW::\n# mine\nanna:PASSWD::\npostfix:!::\ncarl:CARL::\n"
        );
        assert_eq!(merge(current, old, old), current);
        assert_eq!(merge(b"", new, old), b"root:*::\nben:BEN::\n");
    }

    #[test]
    fn members_are_added_once() {
        let mut table = Table::parse(b"sudo:x:27:\naudio:x:29:anna,ben\nshort:x\n");
        for group in 0..3 {
            table.add_member(group, 3, "anna");
        }
        table.add_member(1, 3, "be");
        assert_eq!(
            table.content(),
            b"sudo:x:27:anna\naudio:x:29:anna,ben,be\nshort:x::anna\n"
        );
    }
}
