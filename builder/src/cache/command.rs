//! `genpack cache`: what is kept, and how to get rid of it.

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

use super::{Cache, Kind};
use crate::print;

const MB: f64 = 1e6;

/// Commands on the cache.
#[derive(Subcommand)]
pub enum CacheCommand {
    /// Say what is kept, and how large it is
    Show,
    /// Remove what is kept; the next build makes it again
    Clear {
        /// What to remove; everything when nothing is named
        #[arg(value_enum)]
        kinds: Vec<Kind>,
    },
}

/// Runs one of the commands.
pub fn run(command: &CacheCommand) -> Result<ExitCode> {
    let cache = Cache::of_user()?;
    match command {
        CacheCommand::Show => print::answer(&table(&cache))?,
        CacheCommand::Clear { kinds } => {
            let kinds = if kinds.is_empty() {
                &Kind::ALL
            } else {
                kinds.as_slice()
            };
            cache.discard_partial();
            print::answer(&format!("{:.0} MB removed\n", cache.clear(kinds)? as f64 / MB))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the table that `genpack cache show` prints.
fn table(cache: &Cache) -> String {
    let entries = cache.entries();
    let mut text = format!("{}\n\n", cache.folder().display());
    text += "what        entries        MB\n";
    let mut row = |name: &str, kinds: &[Kind]| {
        let of = entries.iter().filter(|entry| kinds.contains(&entry.kind));
        let (count, bytes) = of.fold((0, 0), |(count, bytes), entry| (count + 1, bytes + entry.bytes));
        text += &format!("{name:<10} {count:>8} {:>9.0}\n", bytes as f64 / MB);
    };
    for kind in Kind::ALL {
        row(kind.name(), &[kind]);
    }
    row("together", &Kind::ALL);
    text + &format!(
        "\nlimit {:.0} MB; GENPACK_CACHE_LIMIT sets another, for example 20G\n",
        cache.limit().bytes() as f64 / MB
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_table_has_every_kind() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path().join("cache"), "3G".parse().unwrap());
        let _in_use = cache.enter().unwrap();
        let draft = cache.draft().unwrap();
        let made = draft.path().join("x");
        fs::write(&made, vec![1; 2_000_000]).unwrap();
        cache.keep(Kind::Trees, "x", &made).unwrap();
        let text = table(&cache);
        for line in [
            "lists             0         0",
            "trees             1         2",
            "together          1         2",
        ] {
            assert!(text.contains(line), "{text}");
        }
        assert!(text.contains("limit 3000 MB"), "{text}");
    }
}
