//! Who else has, or wants, the name.

use std::cmp::Ordering;
use std::net::IpAddr;

use domain::base::iana::Rtype;

use super::link::Link;
use super::records::{Record, Subject, address_type};
use super::wire::{Heard, Message, address_data};

/// What another host's message says about our name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nothing that matters.
    None,
    /// The other host has it.
    Taken,
    /// The other host asks for it at the same time, and comes first.
    First,
}

/// Judges the message of another host that came in on `link`. `ours` tells addresses of this host, on whichever port:
/// what others say about these is true, and may be an echo from another wire.
pub(super) fn judge(message: &Message, link: &Link, ours: impl Fn(IpAddr) -> bool) -> Claim {
    if !message.response {
        return match link.is_probing() && loses(message, link) {
            true => Claim::First,
            false => Claim::None,
        };
    }
    let differs = |heard: &Heard| {
        // An address that goes (section 10.1) takes nothing.
        let about_host = heard.subject == Subject::Host && heard.ttl > 0;
        // Before the name is ours, nobody may have any record of it (section 8.1); after that, it is the types that we
        // have or deny to have (section 9).
        let matters = link.is_probing() || matches!(heard.rtype, Rtype::A | Rtype::AAAA);
        let own = matches!(heard.like, Some(Record::Address(address)) if ours(address));
        about_host && matters && !own
    };
    match message.answers.iter().any(differs) {
        true => Claim::Taken,
        false => Claim::None,
    }
}

/// Whether what the other host claims is later in order than what we do: then it wins (RFC 6762 section 8.2).
fn loses(message: &Message, link: &Link) -> bool {
    let mut theirs: Vec<(Rtype, Vec<u8>)> = message
        .authority
        .iter()
        .filter(|heard| heard.subject == Subject::Host)
        .map(|heard| (heard.rtype, heard.data.clone()))
        .collect();
    if theirs.is_empty() {
        return false;
    }
    theirs.sort();
    let mut ours: Vec<(Rtype, Vec<u8>)> = link
        .zone
        .proposed()
        .into_iter()
        .filter_map(|record| match record {
            Record::Address(address) => Some((address_type(address), address_data(address))),
            Record::Pointer(_) | Record::Types(_) => None,
        })
        .collect();
    ours.sort();
    // Records in order, by type and data; where one list ends, the longer one is later.
    ours.cmp(&theirs) == Ordering::Less
}

/// What another program on this very host says about our name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Housemate {
    /// It serves the name, or is about to.
    Serves,
    /// It stops serving it.
    Leaves,
    /// It just asks, as everybody may.
    Asks,
}

/// Judges a message that came from an address of this host's, and not from us.
pub(super) fn housemate(message: &Message) -> Housemate {
    let records = match message.response {
        true => &message.answers,
        false => &message.authority,
    };
    let mut about_host = records.iter().filter(|heard| heard.subject == Subject::Host);
    match about_host.next() {
        None => Housemate::Asks,
        Some(first) if first.ttl == 0 && about_host.all(|heard| heard.ttl == 0) => Housemate::Leaves,
        Some(_) => Housemate::Serves,
    }
}
