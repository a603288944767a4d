//! What there is to tell on one port, and which of it answers a question.

use std::net::IpAddr;

use domain::base::Name;
use domain::base::iana::Rtype;
use domain::base::name::ToName;

/// How long others may keep a record that has to do with a host's name or addresses, in seconds (RFC 6762 section 10).
pub(super) const TTL: u32 = 120;

/// What one of our names stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// The host's name.
    Host,
    /// The name of an address, in `in-addr.arpa` or `ip6.arpa`.
    Reverse(IpAddr),
}

/// A record of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Record {
    /// A or AAAA: the host has this address.
    Address(IpAddr),
    /// PTR: this address is the host's.
    Pointer(IpAddr),
    /// NSEC: which types of record a name has; there are no others (RFC 6762 section 6.1).
    Types(Subject),
}

/// The names and addresses of a port.
#[derive(Debug, Clone)]
pub(super) struct Zone {
    host: Name<Vec<u8>>,
    /// The addresses, and their names.
    addresses: Vec<(IpAddr, Name<Vec<u8>>)>,
}

/// Returns the type of the record that holds an address.
pub(super) fn address_type(address: IpAddr) -> Rtype {
    match address {
        IpAddr::V4(_) => Rtype::A,
        IpAddr::V6(_) => Rtype::AAAA,
    }
}

impl Zone {
    pub fn new(host: Name<Vec<u8>>, addresses: impl Iterator<Item = IpAddr>) -> Zone {
        let named = addresses.filter_map(|address| Some((address, Name::reverse_from_addr(address).ok()?)));
        Zone {
            host,
            addresses: named.collect(),
        }
    }

    /// Returns the host's name.
    pub fn host(&self) -> &Name<Vec<u8>> {
        &self.host
    }

    /// Returns what a name of this port stands for; none when it is not ours.
    pub fn subject(&self, name: &impl ToName) -> Option<Subject> {
        if name.name_eq(&self.host) {
            return Some(Subject::Host);
        }
        let mut addresses = self.addresses.iter();
        let (address, _) = addresses.find(|(_, reverse)| name.name_eq(reverse))?;
        Some(Subject::Reverse(*address))
    }

    /// Returns the name that a record is about.
    pub fn owner(&self, record: Record) -> &Name<Vec<u8>> {
        match record {
            Record::Address(_) | Record::Types(Subject::Host) => &self.host,
            Record::Pointer(of) | Record::Types(Subject::Reverse(of)) => self
                .addresses
                .iter()
                .find(|(address, _)| *address == of)
                .map_or(&self.host, |(_, name)| name),
        }
    }

    /// Returns what is told unasked: addresses, then their names.
    pub fn announced(&self) -> Vec<Record> {
        let addresses = self.proposed();
        let pointers = self
            .addresses
            .iter()
            .map(|(address, _)| Record::Pointer(*address));
        addresses.into_iter().chain(pointers).collect()
    }

    /// Returns the records for which the host's name is claimed.
    pub fn proposed(&self) -> Vec<Record> {
        let addresses = self.addresses.iter();
        addresses.map(|(address, _)| Record::Address(*address)).collect()
    }

    /// Returns the types of record that a name has.
    pub fn types(&self, subject: Subject) -> Vec<Rtype> {
        match subject {
            Subject::Reverse(_) => vec![Rtype::PTR],
            Subject::Host => {
                let mut types: Vec<_> = self.addresses.iter().map(|(a, _)| address_type(*a)).collect();
                types.sort();
                types.dedup();
                types
            }
        }
    }

    /// Returns the answers to a question about one of our names: never none.
    pub fn answers(&self, subject: Subject, rtype: Rtype) -> Vec<Record> {
        let found = match subject {
            Subject::Reverse(address) if matches!(rtype, Rtype::PTR | Rtype::ANY) => {
                vec![Record::Pointer(address)]
            }
            Subject::Reverse(_) => Vec::new(),
            Subject::Host => {
                let fitting =
                    |(address, _): &&(IpAddr, _)| rtype == Rtype::ANY || rtype == address_type(*address);
                let addresses = self.addresses.iter().filter(fitting);
                addresses.map(|(address, _)| Record::Address(*address)).collect()
            }
        };
        match found.is_empty() {
            true => vec![Record::Types(subject)],
            false => found,
        }
    }

    /// Returns what is sent along with `answers`, because it would be asked for next: the addresses of the other family,
    /// or that there are none (RFC 6762 section 6.2).
    pub fn additional(&self, answers: &[Record]) -> Vec<Record> {
        let about_host =
            |record: &Record| matches!(record, Record::Address(_) | Record::Types(Subject::Host));
        if !answers.iter().any(about_host) {
            return Vec::new();
        }
        let mut additional = self.proposed();
        if self.types(Subject::Host).len() < 2 {
            additional.push(Record::Types(Subject::Host));
        }
        additional.retain(|record| !answers.contains(record));
        additional
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(addresses: &[&str]) -> Zone {
        let host = Name::vec_from_str("kitchen.local").unwrap();
        Zone::new(host, addresses.iter().map(|text| text.parse().unwrap()))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_found_whatever_their_case() {
        let zone = zone(&["10.0.0.5", "fe80::1"]);
        let subject = |text| zone.subject(&Name::vec_from_str(text).unwrap());
        assert_eq!(subject("KITCHEN.Local"), Some(Subject::Host));
        assert_eq!(
            subject("5.0.0.10.in-addr.arpa"),
            Some(Subject::Reverse(ip("10.0.0.5")))
        );
        let reverse = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.E.F.ip6.ARPA";
        assert_eq!(subject(reverse), Some(Subject::Reverse(ip("fe80::1"))));
        for other in [
            "kitchen",
            "kitchen-2.local",
            "x.kitchen.local",
            "6.0.0.10.in-addr.arpa",
            ".",
        ] {
            assert_eq!(subject(other), None, "{other}");
        }
    }

    #[test]
    fn a_type_that_is_not_there_is_denied() {
        let zone = zone(&["10.0.0.5"]);
        let nothing = vec![Record::Types(Subject::Host)];
        assert_eq!(zone.answers(Subject::Host, Rtype::AAAA), nothing);
        assert_eq!(zone.answers(Subject::Host, Rtype::from_int(65)), nothing);
        assert_eq!(zone.types(Subject::Host), [Rtype::A]);
        let a = zone.answers(Subject::Host, Rtype::A);
        assert_eq!(a, [Record::Address(ip("10.0.0.5"))]);
        assert_eq!(zone.additional(&a), nothing);
        let reverse = Subject::Reverse(ip("10.0.0.5"));
        assert_eq!(zone.answers(reverse, Rtype::A), [Record::Types(reverse)]);
        assert_eq!(
            zone.answers(reverse, Rtype::ANY),
            [Record::Pointer(ip("10.0.0.5"))]
        );
    }

    #[test]
    fn the_other_family_comes_along() {
        let zone = zone(&["10.0.0.5", "169.254.3.4", "fe80::1"]);
        let a = zone.answers(Subject::Host, Rtype::A);
        assert_eq!(a.len(), 2, "every address of the port");
        assert_eq!(zone.additional(&a), [Record::Address(ip("fe80::1"))]);
        assert_eq!(zone.answers(Subject::Host, Rtype::ANY).len(), 3);
        assert!(zone.additional(&[Record::Pointer(ip("10.0.0.5"))]).is_empty());
    }
}
