//! The table of results, and what is asked of them.

use std::fmt;

/// One line of a table: a value of genpack's, and those of others.
pub struct Row {
    /// What was measured, with its unit.
    pub what: String,
    /// genpack's value.
    pub genpack: Option<f64>,
    /// The others' values, in the order of the columns.
    pub peers: Vec<Option<f64>>,
}

impl Row {
    /// Returns the two lines above the rows of a table with these peers.
    pub fn head(peers: &[&str]) -> String {
        let ratios: Vec<_> = peers.iter().map(|peer| format!("genpack / {peer}")).collect();
        let columns = [&["what", "genpack"], peers]
            .concat()
            .into_iter()
            .map(String::from)
            .chain(ratios);
        let columns: Vec<_> = columns.collect();
        format!("| {} |\n{}|", columns.join(" | "), "|---".repeat(columns.len()))
    }
}

impl fmt::Display for Row {
    /// The values, then genpack's divided by each of the others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} |", self.what, number(self.genpack))?;
        for peer in &self.peers {
            write!(f, " {} |", number(*peer))?;
        }
        for peer in &self.peers {
            match self.genpack.zip(*peer) {
                Some((genpack, peer)) => write!(f, " {} |", ratio(genpack / peer))?,
                None => write!(f, " |")?,
            }
        }
        Ok(())
    }
}

/// Something that must be so.
pub struct Check {
    /// What is compared.
    pub what: String,
    /// What it came to.
    pub value: f64,
    /// The most that it may come to.
    pub most: f64,
}

impl Check {
    /// Returns whether it is so.
    pub fn is_met(&self) -> bool {
        self.value <= self.most
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Check { what, value, most } = self;
        write!(f, "{what}: {value:.2} (wanted: at most {most:.2})")?;
        if !self.is_met() {
            write!(f, " NOT MET")?;
        }
        Ok(())
    }
}

/// Returns the middle one of several values, or nothing if there are none.
pub fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn number(value: Option<f64>) -> String {
    match value {
        Some(value) if value < 10.0 => format!("{value:.2}"),
        Some(value) => format!("{value:.1}"),
        None => String::new(),
    }
}

/// Two figures at least.
fn ratio(ratio: f64) -> String {
    if ratio < 0.1 {
        format!("{ratio:.3}")
    } else {
        format!("{ratio:.2}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_a_ratio_for_each_peer() {
        let row = Row {
            what: "build, s".into(),
            genpack: Some(20.0),
            peers: vec![Some(40.04), None],
        };
        assert_eq!(
            Row::head(&["a", "b"]),
            "| what | genpack | a | b | genpack / a | genpack / b |\n|---|---|---|---|---|---|"
        );
        assert_eq!(row.to_string(), "| build, s | 20.0 | 40.0 |  | 0.50 | |");
        let row = Row {
            what: "again, s".into(),
            genpack: Some(0.25),
            peers: vec![Some(50.0)],
        };
        assert_eq!(row.to_string(), "| again, s | 0.25 | 50.0 | 0.005 |");
    }

    #[test]
    fn what_is_missed_is_said() {
        let check = |value| Check {
            what: "cold".into(),
            value,
            most: 1.2,
        };
        assert_eq!(check(1.2).to_string(), "cold: 1.20 (wanted: at most 1.20)");
        assert_eq!(
            check(1.3).to_string(),
            "cold: 1.30 (wanted: at most 1.20) NOT MET"
        );
        assert!(check(1.2).is_met() && !check(1.3).is_met());
    }

    #[test]
    fn the_middle_one_counts() {
        assert_eq!(middle(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(middle(vec![]), None);
    }
}
