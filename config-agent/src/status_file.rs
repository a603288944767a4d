//! `STATUS.txt` on the card, which wears with each write.

use anyhow::Result;
use genpack_card::Card;
use genpack_spec::layout::card::STATUS_TXT;
use genpack_spec::status::same_content;

/// Writes `STATUS.txt` unless the card has one that tells the same, from this boot or an earlier one.
pub fn write_if_news(card: &Card, text: &str) -> Result<()> {
    // What can't be read is not what it should be.
    let there = card.read(STATUS_TXT).ok().flatten();
    let there = there.and_then(|bytes| String::from_utf8(bytes).ok());
    match there {
        Some(old) if same_content(&old, text) => Ok(()),
        _ => card.write(STATUS_TXT, text.as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_that_tells_the_same_is_left_alone() {
        // A folder that is no mount point can't be made writable, so each attempt to write is an error.
        let dir = tempfile::tempdir().unwrap();
        let card = Card::at(dir.path());
        let old = "All is well.\r\n\r\nWritten: 2026-11-22 04:52 UTC\r\n";
        assert!(write_if_news(&card, old).is_err());
        std::fs::write(dir.path().join(STATUS_TXT), old).unwrap();

        write_if_news(&card, "All is well.\r\n\r\nWritten: 2026-11-23 09:00 UTC\r\n").unwrap();
        assert!(write_if_news(&card, "2 things need attention.\r\n").is_err());
        assert_eq!(std::fs::read_to_string(dir.path().join(STATUS_TXT)).unwrap(), old);
    }
}
