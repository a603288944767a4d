//! Plain text in lines of bounded width.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::system_ini::shorten;
use crate::text::{Language, Text};

/// Longest line, in columns: fits Notepad's first window and a text console.
pub(super) const WIDTH: usize = 78;
/// Longest text from elsewhere, in characters.
const FOREIGN_LIMIT: usize = 400;

/// Where a page is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Medium {
    /// In a file on the card: every letter can be shown.
    Card,
    /// On consoles; see [`Language::say_on_console`].
    Console,
}

/// Lines in the making.
#[derive(Debug)]
pub(super) struct Page {
    language: Language,
    medium: Medium,
    lines: Vec<String>,
}

/// The labels of one block. What stands behind them begins in the same column.
#[derive(Debug)]
pub(super) struct Labels {
    indent: &'static str,
    /// Columns of the widest label and the blanks behind it.
    width: usize,
}

impl Page {
    pub(super) fn new(language: Language, medium: Medium) -> Page {
        let language = match medium {
            Medium::Card => language,
            Medium::Console => language.on_console(),
        };
        Page {
            language,
            medium,
            lines: Vec::new(),
        }
    }

    /// Returns a text in the words of this page.
    pub(super) fn say(&self, text: &Text) -> String {
        match self.medium {
            Medium::Card => self.language.say(text),
            Medium::Console => self.language.say_on_console(text),
        }
    }

    pub(super) fn line(&mut self, text: impl Into<String>) {
        self.lines.push(text.into());
    }

    pub(super) fn blank(&mut self) {
        self.line("");
    }

    pub(super) fn heading(&mut self, text: &Text) {
        let said = fit(&self.say(text), WIDTH);
        self.blank();
        self.line("-".repeat(said.width()));
        self.lines.insert(self.lines.len() - 1, said);
    }

    /// Adds a text behind a mark; its further lines begin below its first.
    pub(super) fn item(&mut self, mark: &str, text: &Text) {
        self.wrap(mark, &self.say(text));
    }

    pub(super) fn paragraph(&mut self, text: &Text) {
        self.item("", text);
    }

    /// Adds sentences that follow each other.
    pub(super) fn sentences(&mut self, mark: &str, sentences: &[Text]) {
        let said: Vec<_> = sentences.iter().map(|text| self.say(text)).collect();
        self.wrap(mark, &said.join(self.language.between_sentences()));
    }

    /// Returns the labels of a block, with at least so many blanks behind each.
    pub(super) fn labels(&self, indent: &'static str, gap: usize, labels: &[Text]) -> Labels {
        let widest = labels.iter().map(|label| self.say(label).width()).max();
        Labels {
            indent,
            width: widest.unwrap_or(0) + gap,
        }
    }

    /// Adds a text behind one of the labels of a block.
    pub(super) fn labelled(&mut self, labels: &Labels, label: &Text, text: &Text) {
        let said = self.say(label);
        let blanks = " ".repeat(labels.width.saturating_sub(said.width()));
        self.wrap(&format!("{}{said}{blanks}", labels.indent), &self.say(text));
    }

    /// The same with a word or a column in front of the text that keeps its blanks.
    pub(super) fn labelled_column(&mut self, labels: &Labels, label: &Text, column: &str, text: &Text) {
        let said = self.say(label);
        let blanks = " ".repeat(labels.width.saturating_sub(said.width()));
        let mark = format!("{}{said}{blanks}{column}  ", labels.indent);
        self.wrap(&mark, &self.say(text));
    }

    fn wrap(&mut self, mark: &str, text: &str) {
        let indent = " ".repeat(mark.width());
        let mut line = mark.to_string();
        let mut is_empty = true;
        for (blank, piece) in pieces(&shorten(text, FOREIGN_LIMIT)) {
            let needed = line.width() + usize::from(blank && !is_empty) + piece.width();
            if needed > WIDTH && !is_empty {
                self.line(std::mem::replace(&mut line, indent.clone()));
                is_empty = true;
            }
            if blank && !is_empty {
                line.push(' ');
            }
            let room = WIDTH.saturating_sub(line.width()).max(4);
            line.push_str(&fit(piece, room));
            is_empty = false;
        }
        self.line(line.trim_end());
    }

    /// Returns the text with LF line ends.
    pub(super) fn finish(self) -> String {
        self.lines.join("\n") + "\n"
    }
}

/// Splits a text where a line may end: at blanks, and beside characters that take two columns, because East Asian
/// writing has no blanks. Each piece comes with whether a blank stands before it.
fn pieces(text: &str) -> impl Iterator<Item = (bool, &str)> {
    text.split_whitespace().flat_map(|word| {
        let mut ends = Vec::new();
        let mut chars = word.char_indices().peekable();
        while let Some((_, c)) = chars.next() {
            match chars.peek() {
                Some(&(at, next)) if may_break(c, next) => ends.push(at),
                None => ends.push(word.len()),
                _ => {}
            }
        }
        let starts = std::iter::once(0).chain(ends.clone());
        starts.zip(ends).map(|(from, to)| (from == 0, &word[from..to]))
    })
}

/// Whether a line may end between two characters of a word, by the rules of Japanese typesetting (JIS X 4051: what
/// must not begin a line, what must not end one).
fn may_break(before: char, after: char) -> bool {
    const NOT_FIRST: &str =
        "、。，．・：；？！ー」』）】〕〉》ぁぃぅぇぉっゃゅょァィゥェォッャュョ々,.:;?!)]}\"'";
    const NOT_LAST: &str = "「『（【〔〈《([{\"'";
    let wide = |c: char| c.width() == Some(2);
    (wide(before) || wide(after)) && !NOT_FIRST.contains(after) && !NOT_LAST.contains(before)
}

/// Shortens a text to so many columns.
pub(super) fn fit(text: &str, columns: usize) -> String {
    const CUT: &str = "...";
    // First of all: what replaces a line end is wider than the line end.
    let text = shorten(text, usize::MAX);
    if text.width() <= columns {
        return text;
    }
    let mut room = columns.saturating_sub(CUT.len());
    let kept = text.char_indices().find(|(_, c)| {
        let width = c.width().unwrap_or(1);
        let fits = width <= room;
        room = room.saturating_sub(width);
        !fits
    });
    let end = kept.map_or(text.len(), |(at, _)| at);
    text[..end].to_string() + CUT
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

    fn page() -> Page {
        Page::new(Language::English, Medium::Card)
    }

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
        let mut page = page();
        page.wrap("  Label: ", &"word ".repeat(60));
        page.wrap("  Label: ", &"x".repeat(300));
        page.wrap("  Label: ", &"\u{5e45}".repeat(300));
        page.wrap("  Label: ", "");
        let text = page.finish();
        assert!(text.lines().all(|line| line.width() <= WIDTH), "{text}");
        assert!(
            text.lines().nth(1).unwrap().starts_with("         word"),
            "{text}"
        );
        assert!(text.ends_with("  Label:\n"), "{text}");
    }

    #[test]
    fn japanese_breaks_anywhere_but_before_its_full_stop() {
        let pieces = |text| pieces(text).map(|(_, piece)| piece).collect::<Vec<_>>();
        assert_eq!(
            pieces("「設定」は IP です。"),
            ["「設", "定」", "は", "IP", "で", "す。"]
        );
        assert_eq!(pieces("10.0.0.1 a-b"), ["10.0.0.1", "a-b"]);
    }

    #[test]
    fn what_is_too_long_is_cut_by_columns() {
        assert_eq!(fit("abc", 3), "abc");
        assert_eq!(fit("abcdef", 5), "ab...");
        assert_eq!(fit("設定を読む", 10), "設定を読む");
        assert_eq!(fit("設定を読む", 8), "設定...");
        assert_eq!(fit("ab\r\ncd", 5), "ab...");
    }
}
