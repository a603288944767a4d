//! Rules that choose the table of routes, as ip-rule(8) shows them.

use std::fmt;
use std::net::IpAddr;

use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::route::RouteProtocol;
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};

use super::PROTOCOL;

/// The table in which routes are looked up that no rule sends elsewhere (`RT_TABLE_MAIN`).
pub const MAIN: u32 = 254;

/// Rules of ours from this priority on are about tunnels (`net/wireguard/`), those before it about the ways of answers
/// (`net/plan/ways.rs`). All come before wg-quick's and the kernel's own (32766), and behind the one for local addresses (0).
pub const TUNNELS: u32 = 9800;

/// A rule: packets that it fits are looked up in its table, in the order of the priorities, until a route is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Holds for IPv6, else for IPv4.
    pub ipv6: bool,
    /// Smaller comes first.
    pub priority: u32,
    /// Fits only packets with this address of ours.
    pub source: Option<IpAddr>,
    /// Fits only packets without this mark.
    pub without_mark: Option<u32>,
    /// The table.
    pub table: u32,
    /// Routes with prefixes no longer than this don't count.
    pub suppress: Option<u32>,
}

impl Rule {
    /// Returns the rule of a message of the kernel; none when it isn't one of ours or of another kind.
    pub fn parse(message: &RuleMessage) -> Option<Rule> {
        let header = &message.header;
        let mut rule = Rule {
            ipv6: match header.family {
                AddressFamily::Inet => false,
                AddressFamily::Inet6 => true,
                _ => return None,
            },
            priority: 0,
            source: None,
            without_mark: None,
            table: u32::from(header.table),
            suppress: None,
        };
        let mut ours = false;
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Protocol(protocol) => ours = *protocol == RouteProtocol::Other(PROTOCOL),
                RuleAttribute::Priority(priority) => rule.priority = *priority,
                RuleAttribute::Source(source) => rule.source = Some(*source),
                RuleAttribute::FwMark(mark) => rule.without_mark = Some(*mark),
                RuleAttribute::Table(table) => rule.table = *table,
                // The kernel tells the lack of it as -1 (net/core/fib_rules.c).
                RuleAttribute::SuppressPrefixLen(length) if *length != u32::MAX => {
                    rule.suppress = Some(*length);
                }
                _ => {}
            }
        }
        (ours && header.action == RuleAction::ToTable).then_some(rule)
    }

    /// Returns the message that adds or removes it.
    pub fn message(&self) -> RuleMessage {
        let mut message = RuleMessage::default();
        message.header.family = match self.ipv6 {
            false => AddressFamily::Inet,
            true => AddressFamily::Inet6,
        };
        message.header.action = RuleAction::ToTable;
        let attributes = &mut message.attributes;
        attributes.push(RuleAttribute::Protocol(RouteProtocol::Other(PROTOCOL)));
        attributes.push(RuleAttribute::Priority(self.priority));
        attributes.push(RuleAttribute::Table(self.table));
        if let Some(source) = self.source {
            message.header.src_len = if self.ipv6 { 128 } else { 32 };
            attributes.push(RuleAttribute::Source(source));
        }
        if let Some(mark) = self.without_mark {
            attributes.push(RuleAttribute::FwMark(mark));
            message.header.flags = RuleFlags::Invert;
        }
        if let Some(length) = self.suppress {
            attributes.push(RuleAttribute::SuppressPrefixLen(length));
        }
        message
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.priority)?;
        match (self.source, self.ipv6) {
            (Some(source), _) => write!(f, "from {source}")?,
            (None, false) => write!(f, "IPv4")?,
            (None, true) => write!(f, "IPv6")?,
        }
        if let Some(mark) = self.without_mark {
            write!(f, " without mark {mark:#x}")?;
        }
        write!(f, " table {}", self.table)?;
        if let Some(length) = self.suppress {
            write!(f, " for prefixes longer than {length}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_comes_back_as_the_same() {
        let plain = Rule {
            ipv6: false,
            priority: 98,
            source: None,
            without_mark: None,
            table: MAIN,
            suppress: None,
        };
        for rule in [
            plain,
            Rule {
                suppress: Some(0),
                ..plain
            },
            Rule {
                without_mark: Some(0x6770),
                table: 98,
                ..plain
            },
            Rule {
                ipv6: true,
                source: Some("2001:db8::5".parse().unwrap()),
                ..plain
            },
        ] {
            assert_eq!(Rule::parse(&rule.message()), Some(rule), "{rule}");
        }
        let mut foreign = plain.message();
        foreign.attributes.remove(0);
        assert_eq!(Rule::parse(&foreign), None);
    }
}
