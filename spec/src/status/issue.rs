//! What the console shows above the login prompt.

use std::net::{IpAddr, Ipv4Addr};

use super::page::{Medium, Page, fit};
use super::verdict::Verdict;
use crate::layout::card::STATUS_TXT;
use crate::report::{AddressOrigin, BootReport, RunReport};
use crate::text;
use crate::text::Text;

/// Most addresses that are listed; one less when there is a name to be shown.
const ADDRESSES: usize = 5;
/// Longest verdict, in columns: two lines.
const VERDICT_LIMIT: usize = 110;

/// Returns what the console shows above the login prompt: host name, addresses, the name on the wire, verdict, and the address that a person
/// needs in letters that can be read across a room. ASCII unless what it repeats is not; LF line ends, at most 18 lines of
/// at most 79 columns, so that all of it and the prompt fit a screen of 80 by 25. Backslashes, which agetty(8) would
/// interpret, are doubled.
pub fn issue_text(boot: &BootReport, run: Option<&RunReport>) -> String {
    let mut page = Page::new(boot.language, Medium::Console);
    page.blank();
    page.line(format!("  {}  ({})", boot.hostname, boot.image.name));
    page.blank();
    let addresses: Vec<(&str, IpAddr)> = run
        .iter()
        .flat_map(|run| &run.links)
        .flat_map(|link| {
            let reaching = link
                .addresses
                .iter()
                .filter(|a| a.origin != AddressOrigin::LinkLocal);
            reaching.map(|a| (link.name.as_str(), a.address.addr()))
        })
        .collect();
    let main = addresses.iter().find_map(|(_, ip)| match ip {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    });
    if let Some(main) = main {
        large(main).into_iter().for_each(|line| page.line(line));
        page.blank();
    }
    list(&addresses, run, &mut page);
    page.blank();
    let verdict = Verdict::of(boot, run);
    let said: Vec<_> = verdict.sentences.iter().map(|text| page.say(text)).collect();
    let mut sentences = vec![Text::verbatim(fit(&said.join(" "), VERDICT_LIMIT))];
    if verdict.problems > 0 {
        sentences.push(text!("See {file} on the card.", file = STATUS_TXT));
    }
    page.sentences("  ", &sentences);
    page.blank();
    page.finish().replace('\\', "\\\\")
}

fn list(addresses: &[(&str, IpAddr)], run: Option<&RunReport>, page: &mut Page) {
    if addresses.is_empty() {
        page.item(
            "  ",
            &match run {
                Some(run) if run.started => text!("This device has no address in the network."),
                _ => text!("Waiting for an address in the network ..."),
            },
        );
    }
    let name = run.and_then(|run| run.local_name.as_ref());
    let most = ADDRESSES - usize::from(name.is_some());
    // A line that only says that one more is left out could as well show it.
    let shown = if addresses.len() > most + 1 {
        most
    } else {
        addresses.len()
    };
    for (port, ip) in &addresses[..shown] {
        page.line(format!("  {port:<10}  {ip}"));
    }
    if shown < addresses.len() {
        let count = addresses.len() - shown;
        page.item("  ", &text!("and {count} more addresses", count));
    }
    if let Some(name) = name {
        page.item("  ", &text!("also found as {name}", name = &name.name));
    }
}

/// Rows of a large letter.
const ROWS: usize = 5;

/// Large digits, four columns wide. Of `#` alone, because a serial terminal may have no blocks.
const DIGITS: [[&str; ROWS]; 10] = [
    ["####", "#  #", "#  #", "#  #", "####"],
    ["  # ", " ## ", "  # ", "  # ", " ###"],
    ["####", "   #", "####", "#   ", "####"],
    ["####", "   #", " ###", "   #", "####"],
    ["#  #", "#  #", "####", "   #", "   #"],
    ["####", "#   ", "####", "   #", "####"],
    ["####", "#   ", "####", "#  #", "####"],
    ["####", "   #", "  # ", " #  ", " #  "],
    ["####", "#  #", "####", "#  #", "####"],
    ["####", "#  #", "####", "   #", "####"],
];
const DOT: [&str; ROWS] = ["  ", "  ", "  ", "  ", "# "];

/// Draws an address.
fn large(address: Ipv4Addr) -> [String; ROWS] {
    let letters: Vec<[&str; ROWS]> = address
        .to_string()
        .chars()
        .map(|c| c.to_digit(10).map_or(DOT, |digit| DIGITS[digit as usize]))
        .collect();
    std::array::from_fn(|row| {
        let parts: Vec<_> = letters.iter().map(|letter| letter[row]).collect();
        format!("  {}", parts.join(" ")).trim_end().to_string()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_address_fits_the_screen() {
        let rows = large(Ipv4Addr::BROADCAST);
        assert!(rows.iter().all(|row| row.len() < 80), "{rows:#?}");
        assert!(rows.iter().all(|row| row.contains('#')), "{rows:#?}");
    }

    #[test]
    fn digits_can_be_told_apart() {
        for (digit, rows) in DIGITS.iter().enumerate() {
            assert!(rows.iter().all(|row| row.len() == 4), "{digit}");
            assert_eq!(DIGITS.iter().filter(|other| *other == rows).count(), 1, "{digit}");
        }
    }
}
