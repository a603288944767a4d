//! Messages in the form that they have on the wire (RFC 1035 section 4, RFC 6762 section 18).
//!
//! What comes in is hostile: a message is read as far as it makes sense, within limits, and only what is about names of
//! ours is kept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use domain::base::iana::{Class, Opcode, Rcode, Rtype};
use domain::base::message_builder::{AnswerBuilder, PushError};
use domain::base::rdata::UnknownRecordData;
use domain::base::record::ParsedRecord;
use domain::base::wire::Composer;
use domain::base::{Message as Parsed, MessageBuilder, Name, ParsedName, StaticCompressor, Ttl};
use domain::rdata::dnssec::RtypeBitmap;
use domain::rdata::{A, Aaaa, Nsec, Ptr};

use super::records::{Record, Subject, TTL, Zone};

/// Longest message (RFC 6762 section 17).
pub(super) const MESSAGE_LIMIT: usize = 9000;
/// What is looked at of one message; the rest is left.
const QUESTIONS: usize = 64;
const RECORDS: usize = 256;
/// Longest data of a foreign record that is compared with ours.
const DATA_LIMIT: usize = 256;

/// Longest message to the group: it fits a packet of every wire.
const GROUP_LIMIT: usize = 1200;
/// Longest answer to a program that knows nothing of Multicast DNS (RFC 1035 section 4.2.1).
const LEGACY_LIMIT: usize = 512;
/// Such a program may keep the answer this long, in seconds (RFC 6762 section 6.7).
const LEGACY_TTL: u32 = 10;

/// In a question: an answer to the asking host alone is welcome (RFC 6762 section 5.4). In a record: what you have of
/// this name and type is outdated (section 10.2).
const TOP_BIT: u16 = 0x8000;

/// What of a message is about names of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub id: u16,
    /// An answer or announcement, rather than a question.
    pub response: bool,
    /// More known answers follow.
    pub truncated: bool,
    pub questions: Vec<Question>,
    /// Of a question, the answers that are known already. Of a response, all records.
    pub answers: Vec<Heard>,
    /// Of a probe, what is claimed.
    pub authority: Vec<Heard>,
}

/// A question about a name of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub subject: Subject,
    pub rtype: Rtype,
    /// An answer to the asking host alone is welcome.
    pub unicast: bool,
    /// The name in the spelling of the question.
    pub spelling: Name<Vec<u8>>,
}

/// Somebody's record about a name of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heard {
    pub subject: Subject,
    pub rtype: Rtype,
    pub ttl: u32,
    /// Its data, shortened, as it is on the wire.
    pub data: Vec<u8>,
    /// The record of this port's that it equals, if it were one of ours.
    pub like: Option<Record>,
}

/// Reads what `message` says about names of `zone`. None when it is no message, or says nothing of them.
pub(super) fn read(message: &[u8], zone: &Zone) -> Option<Message> {
    if message.len() > MESSAGE_LIMIT {
        return None;
    }
    let parsed = Parsed::from_slice(message).ok()?;
    let header = parsed.header();
    // RFC 6762 sections 18.3 and 18.11: anything else is ignored.
    if header.opcode() != Opcode::QUERY || header.rcode() != Rcode::NOERROR {
        return None;
    }
    let questions = parsed.question().take(QUESTIONS).map_while(Result::ok);
    let mut found = Message {
        id: header.id(),
        response: header.qr(),
        truncated: header.tc(),
        questions: questions.filter_map(|question| asked(&question, zone)).collect(),
        answers: Vec::new(),
        authority: Vec::new(),
    };
    // A broken record ends the reading: what follows it can't be found. Questions before it still count.
    let mut left = RECORDS;
    let mut section = parsed.answer().ok();
    let mut number = 0;
    while let Some(mut records) = section {
        let mut broken = false;
        for record in records.by_ref() {
            let Some(rest) = left.checked_sub(1) else {
                broken = true;
                break;
            };
            left = rest;
            let Ok(record) = record else {
                broken = true;
                break;
            };
            let heard = heard(&record, zone);
            match number {
                1 => found.authority.extend(heard),
                _ => found.answers.extend(heard),
            }
        }
        number += 1;
        section = match broken {
            true => None,
            false => records.next_section().ok().flatten(),
        };
    }
    let empty = found.questions.is_empty() && found.answers.is_empty() && found.authority.is_empty();
    // A message without questions may bring further known answers.
    (!empty).then_some(found)
}

fn asked(question: &domain::base::Question<ParsedName<&[u8]>>, zone: &Zone) -> Option<Question> {
    let class = question.qclass().to_int();
    if !matches!(Class::from_int(class & !TOP_BIT), Class::IN | Class::ANY) {
        return None;
    }
    Some(Question {
        subject: zone.subject(question.qname())?,
        rtype: question.qtype(),
        unicast: class & TOP_BIT != 0,
        spelling: domain::base::name::ToName::to_vec(question.qname()),
    })
}

fn heard(record: &ParsedRecord<'_, [u8]>, zone: &Zone) -> Option<Heard> {
    if Class::from_int(record.class().to_int() & !TOP_BIT) != Class::IN {
        return None;
    }
    let subject = zone.subject(&record.owner())?;
    let rtype = record.rtype();
    let raw = record.to_record::<UnknownRecordData<&[u8]>>().ok()??;
    let data = *raw.data().data();
    let like = match (subject, rtype) {
        (Subject::Host, Rtype::A) => {
            let octets = <[u8; 4]>::try_from(data).ok()?;
            Some(Record::Address(Ipv4Addr::from(octets).into()))
        }
        (Subject::Host, Rtype::AAAA) => {
            let octets = <[u8; 16]>::try_from(data).ok()?;
            Some(Record::Address(Ipv6Addr::from(octets).into()))
        }
        (Subject::Reverse(address), Rtype::PTR) => {
            let pointer = record.to_record::<Ptr<ParsedName<&[u8]>>>().ok()??;
            let target = zone.subject(pointer.data().ptrdname());
            (target == Some(Subject::Host)).then_some(Record::Pointer(address))
        }
        _ => None,
    };
    Some(Heard {
        subject,
        rtype,
        ttl: record.ttl().as_secs(),
        data: data[..data.len().min(DATA_LIMIT)].to_vec(),
        like,
    })
}

/// Returns the data of an address record.
pub(super) fn address_data(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

type Target = StaticCompressor<Vec<u8>>;

fn builder(limit: usize) -> MessageBuilder<Target> {
    // The vector grows; it can't refuse the header.
    let target = StaticCompressor::new(Vec::with_capacity(256));
    let mut builder = MessageBuilder::from_target(target).expect("a vector has room for a header");
    builder.set_push_limit(limit);
    builder
}

/// Returns the question whether anybody has the name of `zone`, with what is claimed for it (RFC 6762 section 8.1).
///
/// It is put to everybody, and answers to this host alone are not asked for: where another responder of this host has
/// the port, too, these would get lost (section 15.1).
pub(super) fn probe(zone: &Zone) -> Option<Vec<u8>> {
    let mut question = builder(GROUP_LIMIT).question();
    question.push((zone.host(), Rtype::ANY, Class::IN)).ok()?;
    let mut authority = question.authority();
    for record in zone.proposed() {
        let Record::Address(address) = record else {
            continue;
        };
        let pushed = match address {
            IpAddr::V4(v4) => authority.push((zone.host(), Class::IN, TTL, A::new(v4))),
            IpAddr::V6(v6) => authority.push((zone.host(), Class::IN, TTL, Aaaa::new(v6))),
        };
        // What does not fit is left out: sixteen addresses do.
        pushed.ok()?;
    }
    Some(authority.finish().into_target())
}

/// Returns an announcement or answer to everybody, in as many messages as it takes. What is said replaces what others
/// know, except for a farewell: with that, only this record ends (RFC 6762 sections 10.1 and 10.2).
pub(super) fn response(zone: &Zone, answers: &[Record], additional: &[Record], ttl: u32) -> Vec<Vec<u8>> {
    let class = match ttl {
        0 => Class::IN,
        _ => Class::from_int(Class::IN.to_int() | TOP_BIT),
    };
    let begin = || {
        let mut message = builder(GROUP_LIMIT);
        message.header_mut().set_qr(true);
        message.header_mut().set_aa(true);
        message.answer()
    };
    let mut messages = Vec::new();
    let mut answer = begin();
    for record in answers {
        if push(&mut answer, zone, *record, class, ttl).is_err() {
            messages.push(answer.finish().into_target());
            answer = begin();
            // Alone it fits.
            let _ = push(&mut answer, zone, *record, class, ttl);
        }
    }
    // Nobody has asked for these: what does not fit is left out.
    let mut last = answer.additional();
    for record in additional {
        if push(&mut last, zone, *record, class, ttl).is_err() {
            break;
        }
    }
    if last.counts().ancount() > 0 {
        messages.push(last.finish().into_target());
    }
    messages
}

/// Returns the answer to a program that asks as it would ask any name server: with its number and questions, short
/// lifetimes, and nothing that only Multicast DNS has (RFC 6762 section 6.7).
pub(super) fn legacy_response(zone: &Zone, id: u16, questions: &[Question], answers: &[Record]) -> Vec<u8> {
    let mut message = builder(LEGACY_LIMIT);
    message.header_mut().set_id(id);
    message.header_mut().set_qr(true);
    message.header_mut().set_aa(true);
    let mut echoed = message.question();
    for question in questions {
        if echoed
            .push((&question.spelling, question.rtype, Class::IN))
            .is_err()
        {
            break;
        }
    }
    let mut answer = echoed.answer();
    for record in answers {
        if push(&mut answer, zone, *record, Class::IN, LEGACY_TTL).is_err() {
            break;
        }
    }
    answer.finish().into_target()
}

/// A section that takes records.
trait Section {
    fn record(&mut self, record: impl domain::base::record::ComposeRecord) -> Result<(), PushError>;
}

impl<T: Composer> Section for AnswerBuilder<T> {
    fn record(&mut self, record: impl domain::base::record::ComposeRecord) -> Result<(), PushError> {
        self.push(record)
    }
}

impl<T: Composer> Section for domain::base::message_builder::AdditionalBuilder<T> {
    fn record(&mut self, record: impl domain::base::record::ComposeRecord) -> Result<(), PushError> {
        self.push(record)
    }
}

fn push(
    section: &mut impl Section,
    zone: &Zone,
    record: Record,
    class: Class,
    ttl: u32,
) -> Result<(), PushError> {
    let owner = zone.owner(record);
    let ttl = Ttl::from_secs(ttl);
    match record {
        Record::Address(IpAddr::V4(v4)) => section.record((owner, class, ttl, A::new(v4))),
        Record::Address(IpAddr::V6(v6)) => section.record((owner, class, ttl, Aaaa::new(v6))),
        Record::Pointer(_) => section.record((owner, class, ttl, Ptr::new(zone.host()))),
        Record::Types(subject) => {
            let mut types = RtypeBitmap::<Vec<u8>>::builder();
            for rtype in zone.types(subject) {
                // A vector grows; it does not refuse.
                types.add(rtype).map_err(|_| PushError::ShortBuf)?;
            }
            section.record((owner, class, ttl, Nsec::new(owner, types.finalize())))
        }
    }
}
