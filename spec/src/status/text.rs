//! Plain text in lines of bounded width.

use crate::system_ini::shorten;

/// Longest line, in characters: fits Notepad's first window and a text console.
pub(super) const WIDTH: usize = 78;
/// Longest text from elsewhere, in characters.
const FOREIGN_LIMIT: usize = 400;

/// Lines in the making.
#[derive(Debug, Default)]
pub(super) struct Page {
    lines: Vec<String>,
}

impl Page {
    pub(super) fn line(&mut self, text: impl Into<String>) {
        self.lines.push(text.into());
    }

    pub(super) fn blank(&mut self) {
        self.line("");
    }

    pub(super) fn heading(&mut self, text: &str) {
        self.blank();
        self.line(text);
        self.line("-".repeat(text.chars().count()));
    }

    /// Adds a text behind a label; its further lines begin below its first.
    pub(super) fn item(&mut self, label: &str, text: &str) {
        let indent = " ".repeat(label.chars().count());
        let mut line = label.to_string();
        let mut is_empty = true;
        for word in shorten(text, FOREIGN_LIMIT).split_whitespace() {
            let needed = line.chars().count() + usize::from(!is_empty) + word.chars().count();
            if needed > WIDTH && !is_empty {
                self.line(std::mem::replace(&mut line, indent.clone()));
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            let room = WIDTH.saturating_sub(line.chars().count()).max(4);
            line.push_str(&shorten(word, room));
            is_empty = false;
        }
        self.line(line.trim_end());
    }

    pub(super) fn paragraph(&mut self, text: &str) {
        self.item("", text);
    }

    /// Returns the text with LF line ends.
    pub(super) fn finish(self) -> String {
        self.lines.join("\n") + "\n"
    }
}

/// Makes a sentence of a phrase.
pub(super) fn sentence(phrase: &str) -> String {
    let mut chars = phrase.chars();
    let first: String = chars
        .next()
        .map(|c| c.to_uppercase().collect())
        .unwrap_or_default();
    let rest = chars.as_str();
    let end = if phrase.ends_with(['.', '?', '!']) {
        ""
    } else {
        "."
    };
    format!("{first}{rest}{end}")
}

/// Returns `one` or `many` with the number in front.
pub(super) fn count(number: usize, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}

/// Returns the date (UTC) of a moment in seconds since 1970, as `2026-11-23`.
pub fn date(epoch: u64) -> String {
    // Counts years from March, so that the leap day is the last of a year, and in eras of 400 years, which all have
    // the same number of days (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days).
    let days = epoch / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_the_calendar_has_them() {
        // Checked with date(1): `date -u -d @N +%F`.
        for (epoch, want) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_709_251_199, "2024-02-29"),
            (1_709_251_200, "2024-03-01"),
            (1_795_996_799, "2026-11-29"),
            (4_107_542_400, "2100-03-01"),
        ] {
            assert_eq!(date(epoch), want);
        }
    }

    #[test]
    fn lines_stay_narrow() {
        let mut page = Page::default();
        page.item("  Label: ", &"word ".repeat(60));
        page.item("  Label: ", &"x".repeat(300));
        page.item("  Label: ", "");
        let text = page.finish();
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert!(
            text.lines().nth(1).unwrap().starts_with("         word"),
            "{text}"
        );
        assert!(text.ends_with("  Label:\n"), "{text}");
    }
}
