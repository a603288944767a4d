//! Licences out of the `copyright` files of packages.
//!
//! The machine-readable form is described at
//! <https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/>; its short names are Debian's, and most stand for
//! one of the SPDX list under another name. What can't be told for sure is said as it stands.

use std::collections::BTreeSet;

use super::control::paragraphs;

/// How the machine-readable form names itself; older files have `http:`.
const FORMAT: &str = "www.debian.org/doc/packaging-manuals/copyright-format/1";
/// Debian's short names for licences of the SPDX list, where a rule would not find them.
const OTHER_NAMES: [(&str, &str); 14] = [
    ("apache-2", "Apache-2.0"),
    ("artistic", "Artistic-1.0-Perl"),
    ("bsd-2-clauses", "BSD-2-Clause"),
    ("bsd-3-clauses", "BSD-3-Clause"),
    ("bsl-1", "BSL-1.0"),
    ("cc0", "CC0-1.0"),
    ("expat", "MIT"),
    ("gfdl-1.3", "GFDL-1.3-only"),
    ("gfdl-1.3+", "GFDL-1.3-or-later"),
    ("gfdl-niv-1.3", "GFDL-1.3-no-invariants-only"),
    ("gfdl-niv-1.3+", "GFDL-1.3-no-invariants-or-later"),
    ("mpl-2", "MPL-2.0"),
    ("psf-2", "PSF-2.0"),
    ("zlib/libpng", "Zlib"),
];

/// Returns the licences that a `copyright` file names, as SPDX expressions where that is sure and as Debian's names where it
/// isn't. Nothing of a file that is not in the machine-readable form.
pub fn licences(text: &str) -> BTreeSet<String> {
    let paragraphs = paragraphs(text);
    let is_machine_readable = paragraphs
        .first()
        .is_some_and(|first| first.line("Format").contains(FORMAT));
    if !is_machine_readable {
        return BTreeSet::new();
    }
    // A paragraph of its own only gives the text of a licence that another one names; the first is for the whole, where none is
    // for files.
    let of_files = paragraphs.iter().filter(|one| one.field("Files").is_some());
    let of_files: Vec<_> = of_files.map(|one| one.line("License")).collect();
    let named = if of_files.is_empty() {
        vec![paragraphs[0].line("License")]
    } else {
        of_files
    };
    named
        .into_iter()
        .filter(|name| !name.is_empty())
        .map(expression)
        .collect()
}

/// Returns whether it is an expression of SPDX's.
pub fn is_spdx(licence: &str) -> bool {
    spdx::Expression::parse(licence).is_ok()
}

/// Turns what stands behind `License:` into an SPDX expression; as it stands where that can't be done.
fn expression(value: &str) -> String {
    let mut words = Vec::new();
    let mut exception = false;
    // A comma only says how `and` and `or` belong together, where that would matter; such ones are left as they are.
    let sure = !(value.contains(',') && value.contains(" or ") && value.contains(" and "));
    for word in value.replace(',', " ").split_whitespace() {
        words.push(match word {
            "and" | "or" => {
                exception = false;
                word.to_uppercase()
            }
            "with" => {
                exception = true;
                "WITH".into()
            }
            // `with OpenSSL exception`: which one that is isn't said.
            _ if exception => return value.to_string(),
            name => match identifier(name) {
                Some(id) => id,
                None => return value.to_string(),
            },
        });
    }
    let expression = words.join(" ");
    if sure && is_spdx(&expression) {
        expression
    } else {
        value.to_string()
    }
}

/// Returns the SPDX identifier of one licence.
fn identifier(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    if let Some((_, id)) = OTHER_NAMES.iter().find(|(other, _)| *other == lower) {
        return Some((*id).to_string());
    }
    // GPL-2, GPL-2.0, GPL-2+, and the same of the LGPL and AGPL.
    if let Some((family, version)) = lower.split_once('-')
        && ["gpl", "lgpl", "agpl"].contains(&family)
    {
        let (number, ending) = match version.strip_suffix('+') {
            Some(number) => (number, "or-later"),
            None => (version, "only"),
        };
        let number = match number.contains('.') {
            true => number.to_string(),
            false => format!("{number}.0"),
        };
        let id = format!("{}-{number}-{ending}", family.to_uppercase());
        return spdx::license_id(&id).map(|id| id.name.to_string());
    }
    let known = spdx::identifiers::LICENSES.iter().map(|licence| licence.name);
    let known = known.into_iter().find(|id| id.eq_ignore_ascii_case(name));
    known.map(String::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debians_names_become_those_of_spdx() {
        for (debian, spdx) in [
            ("GPL-2+", "GPL-2.0-or-later"),
            ("LGPL-2.1", "LGPL-2.1-only"),
            ("Expat", "MIT"),
            ("BSD-3-clause", "BSD-3-Clause"),
            ("GPL-2+ or Artistic", "GPL-2.0-or-later OR Artistic-1.0-Perl"),
            ("Apache-2.0 and ISC", "Apache-2.0 AND ISC"),
        ] {
            assert_eq!(expression(debian), spdx);
            assert!(is_spdx(spdx), "{spdx}");
        }
    }

    #[test]
    fn what_is_not_sure_stays_as_it_is() {
        for text in [
            "public-domain",
            "BSD-4-clause-UC-like",
            "GPL-3+ with autoconf exception",
            "GPL-2 or GPL-3, and Expat",
            "GPL-9",
        ] {
            assert_eq!(expression(text), text);
            assert!(!is_spdx(&expression(text)), "{text}");
        }
    }

    #[test]
    fn only_licences_of_files_count() {
        let text = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: x\n\n\
                    Files: *\nCopyright: a\nLicense: Expat\n a text\n\nFiles: debian/*\nLicense: GPL-2+\n\n\
                    License: ISC\n another text\n";
        let found: Vec<_> = licences(text).into_iter().collect();
        assert_eq!(found, ["GPL-2.0-or-later", "MIT"]);
        assert!(licences("This package was debianized by somebody.\nLicense: GPL\n").is_empty());
    }
}
