//! Debian's control files (deb822(5)): paragraphs of fields, and relations between packages.

/// One paragraph, exactly as it stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paragraph<'a>(&'a str);

impl<'a> Paragraph<'a> {
    /// Returns the text, without the empty line behind it.
    pub fn text(self) -> &'a str {
        self.0
    }

    /// Returns the value of a field with all its lines; names of fields have no case. Lines after the first keep the space
    /// that they begin with.
    pub fn field(self, name: &str) -> Option<&'a str> {
        let mut at = 0;
        for line in self.0.split_inclusive('\n') {
            let start = at;
            at += line.len();
            let Some((key, _)) = line.split_once(':') else {
                continue;
            };
            if line.starts_with([' ', '\t', '#']) || !key.eq_ignore_ascii_case(name) {
                continue;
            }
            let more = self.0[at..]
                .split_inclusive('\n')
                .take_while(|line| line.starts_with([' ', '\t']));
            let end = at + more.map(str::len).sum::<usize>();
            return Some(self.0[start + key.len() + 1..end].trim());
        }
        None
    }

    /// Returns the first line of a field; empty when there is none.
    pub fn line(self, name: &str) -> &'a str {
        let value = self.field(name).unwrap_or_default();
        value.lines().next().unwrap_or_default().trim()
    }
}

/// Splits a file into its paragraphs.
pub fn paragraphs(text: &str) -> Vec<Paragraph<'_>> {
    let mut found = Vec::new();
    let mut start = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        match (line.trim().is_empty(), start) {
            (true, Some(from)) => {
                found.push(Paragraph(text[from..at].trim_end_matches('\n')));
                start = None;
            }
            (false, None) => start = Some(at),
            _ => {}
        }
        at += line.len();
    }
    found.extend(start.map(|from| Paragraph(text[from..].trim_end_matches('\n'))));
    found
}

/// Reads a relation such as `Depends` (Debian Policy 7.1): all of these, each one of several. Versions and architectures are
/// left out, because what is installed fits.
pub fn relation(value: &str) -> Vec<Vec<String>> {
    let name = |alternative: &str| {
        let end = alternative.find(|c: char| c.is_whitespace() || "([<:".contains(c));
        let name = &alternative[..end.unwrap_or(alternative.len())];
        (!name.is_empty()).then(|| name.to_string())
    };
    let alternatives = |one: &str| one.split('|').map(str::trim).filter_map(name).collect::<Vec<_>>();
    value
        .split(',')
        .map(alternatives)
        .filter(|alternatives| !alternatives.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_with_all_their_lines() {
        let text = "Package: a\nDescription: one\n two\n .\nversion: 1:2-3\n\n\nPackage: b\n";
        let found = paragraphs(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].field("Description"), Some("one\n two\n ."));
        assert_eq!(
            (found[0].line("Version"), found[1].line("Package")),
            ("1:2-3", "b")
        );
        assert_eq!(found[1].field("Version"), None);
        assert_eq!(found[1].text(), "Package: b");
    }

    #[test]
    fn relations_are_read_without_versions() {
        assert_eq!(
            relation("debconf (>= 0.5) | debconf-2.0, perl:any,\n libc6 [amd64], "),
            [vec!["debconf", "debconf-2.0"], vec!["perl"], vec!["libc6"]]
        );
        assert!(relation("").is_empty());
    }
}
