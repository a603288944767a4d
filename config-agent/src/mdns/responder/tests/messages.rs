//! Messages as other implementations would send them, made by hand, and ours as lines of text.

use std::net::Ipv4Addr;

use domain::base::iana::{Class, Rtype};
use domain::base::{Message, MessageBuilder, Name, ParsedName};
use domain::rdata::{A, AllRecordData};

use super::super::super::link::{Packet, To};

fn name(text: &str) -> Name<Vec<u8>> {
    Name::vec_from_str(text).unwrap()
}

/// Writes a packet as one line: port, receiver, and what it says.
pub fn shown(packet: &Packet) -> String {
    let to = match packet.to {
        To::Group => "all".to_string(),
        To::Host(host) => host.to_string(),
    };
    let message = Message::from_octets(packet.bytes.as_slice()).unwrap();
    let header = message.header();
    let kind = if header.qr() { "says" } else { "asks" };
    let mut text = format!("{} {to} {kind}", packet.index);
    if header.id() != 0 {
        text += &format!(" #{}", header.id());
    }
    for question in message.question() {
        let question = question.unwrap();
        text += &format!(" {}? {}", question.qtype(), question.qname());
    }
    let sections = [
        ("", message.answer()),
        (" claims", message.authority()),
        (" and", message.additional()),
    ];
    for (label, section) in sections {
        let section = section.unwrap();
        for (number, record) in section
            .limit_to::<AllRecordData<&[u8], ParsedName<&[u8]>>>()
            .enumerate()
        {
            let record = record.unwrap();
            if number == 0 {
                text += label;
            }
            let flush = if record.class().to_int() & 0x8000 != 0 {
                "!"
            } else {
                ""
            };
            let (owner, ttl) = (record.owner(), record.ttl().as_secs());
            text += &format!(" [{owner} {ttl}{flush} {} {}]", record.rtype(), record.data());
        }
    }
    text
}

/// A question for everybody.
pub fn question(text: &str, rtype: Rtype, class: u16) -> Vec<u8> {
    known(text, rtype, class, &[], false)
}

/// A question with known answers.
pub fn known(
    text: &str,
    rtype: Rtype,
    class: u16,
    answers: &[(&str, u32, Ipv4Addr)],
    truncated: bool,
) -> Vec<u8> {
    let mut message = MessageBuilder::new_vec();
    message.header_mut().set_tc(truncated);
    let mut message = message.question();
    if !text.is_empty() {
        message.push((name(text), rtype, Class::from_int(class))).unwrap();
    }
    let mut message = message.answer();
    for (owner, ttl, address) in answers {
        message
            .push((name(owner), Class::IN, *ttl, A::new(*address)))
            .unwrap();
    }
    message.finish()
}

/// What another host says about an address of a name.
pub fn says(text: &str, ttl: u32, address: Ipv4Addr) -> Vec<u8> {
    let mut message = MessageBuilder::new_vec();
    message.header_mut().set_qr(true);
    let mut message = message.answer();
    message
        .push((name(text), Class::from_int(0x8001), ttl, A::new(address)))
        .unwrap();
    message.finish()
}

/// Another host's probe.
pub fn probe(text: &str, addresses: &[Ipv4Addr]) -> Vec<u8> {
    let mut message = MessageBuilder::new_vec().question();
    message
        .push((name(text), Rtype::ANY, Class::from_int(0x8001)))
        .unwrap();
    let mut message = message.authority();
    for address in addresses {
        message
            .push((name(text), Class::IN, 120, A::new(*address)))
            .unwrap();
    }
    message.finish()
}
