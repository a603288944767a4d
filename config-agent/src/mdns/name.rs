//! The name as it is tried: as wanted first, then with a number.

use domain::base::Name;

/// Longest label (RFC 1035 section 2.3.4).
const LABEL: usize = 63;

/// A host name and the number that tells it from others of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NumberedName {
    label: String,
    number: u16,
}

impl NumberedName {
    pub fn new(label: &str) -> NumberedName {
        NumberedName {
            label: label.to_ascii_lowercase(),
            number: 1,
        }
    }

    /// Whether it carries a number.
    pub fn is_numbered(&self) -> bool {
        self.number > 1
    }

    /// Returns the wanted label.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Takes the next number (RFC 6762 section 9); begins anew after the last.
    pub fn advance(&mut self) {
        self.number = self.number.checked_add(1).unwrap_or(2);
    }

    /// Takes the wanted name again.
    pub fn reset(&mut self) {
        self.number = 1;
    }

    /// Returns the name with `.local`; `kitchen.local`, `kitchen-2.local`.
    pub fn text(&self) -> String {
        if !self.is_numbered() {
            return format!("{}.local", self.label);
        }
        let suffix = format!("-{}", self.number);
        let room = LABEL - suffix.len();
        // A host name is ASCII, so every byte is a character.
        let label = self.label.get(..room).unwrap_or(&self.label);
        format!("{}{suffix}.local", label.trim_end_matches('-'))
    }

    /// Returns the name for messages; none when the label can't be one.
    pub fn name(&self) -> Option<Name<Vec<u8>>> {
        Name::vec_from_str(&self.text()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_within_a_label() {
        let mut name = NumberedName::new("Kitchen");
        assert_eq!(name.text(), "kitchen.local");
        name.advance();
        assert_eq!(name.text(), "kitchen-2.local");
        name.advance();
        assert_eq!(name.text(), "kitchen-3.local");

        let mut long = NumberedName::new(&"a".repeat(LABEL));
        for _ in 0..u32::from(u16::MAX) + 5 {
            long.advance();
            assert!(long.text().len() <= LABEL + ".local".len());
            assert!(long.is_numbered());
        }
        assert!(long.name().is_some());
    }
}
