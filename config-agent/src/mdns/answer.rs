//! Answers to questions: which records, and to whom (RFC 6762 section 6).

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::link::{Link, Packet};
use super::records::{Record, TTL};
use super::wire::{self, Message};

/// The port of Multicast DNS. Whoever asks from another one knows nothing of it (RFC 6762 section 6.7).
pub(super) const PORT: u16 = 5353;
/// How long further known answers are waited for: at least, and in addition at most (RFC 6762 section 7.2).
const MORE: Duration = Duration::from_millis(400);
const MORE_SPREAD: Duration = Duration::from_millis(100);
/// Hosts whose known answers are waited for at one time. The next is answered at once.
const WAITING: usize = 16;

/// A question whose known answers are still coming.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    from: SocketAddr,
    answers: Vec<Record>,
    /// When it is answered.
    pub due: Instant,
}

/// Answers a question that came in on a port where the name is ours.
pub(super) fn answer(
    link: &mut Link,
    from: SocketAddr,
    message: &Message,
    now: Instant,
    out: &mut Vec<Packet>,
) {
    // Half of its time must be left, or the asking host will soon ask again (RFC 6762 section 7.1).
    let known: Vec<Record> = message
        .answers
        .iter()
        .filter(|heard| heard.ttl >= TTL / 2)
        .filter_map(|heard| heard.like)
        .collect();
    if message.questions.is_empty() {
        for waiting in link.waiting.iter_mut().filter(|waiting| waiting.from == from) {
            waiting.answers.retain(|record| !known.contains(record));
        }
        return;
    }
    let legacy = from.port() != PORT;
    // Whoever is not on the wire gets nothing: the address is made up, or the answer would leave the wire
    // (RFC 6762 section 11).
    let on_link = link.reaches(from.ip());
    let (mut to_all, mut to_one) = (Vec::new(), Vec::new());
    for question in &message.questions {
        for record in link.zone.answers(question.subject, question.rtype) {
            // What everybody has not heard for long is told to everybody (RFC 6762 section 5.4).
            let recent = link.has_said(record, Duration::from_secs(u64::from(TTL / 4)), now);
            let list = match legacy || (question.unicast && on_link && recent) {
                true => &mut to_one,
                false => &mut to_all,
            };
            if !known.contains(&record) && !list.contains(&record) {
                list.push(record);
            }
        }
    }
    if legacy {
        if on_link && !to_one.is_empty() {
            let bytes = wire::legacy_response(&link.zone, message.id, &message.questions, &to_one);
            link.answer_one(from, bytes, now, out);
        }
        return;
    }
    if !to_one.is_empty() {
        let additional = link.zone.additional(&to_one);
        for bytes in wire::response(&link.zone, &to_one, &additional, TTL) {
            link.answer_one(from, bytes, now, out);
        }
    }
    if to_all.is_empty() {
        return;
    }
    if message.truncated && link.waiting.len() < WAITING {
        let due = now + MORE + link.spread(MORE_SPREAD);
        link.waiting.push(Waiting {
            from,
            answers: to_all,
            due,
        });
    } else {
        link.answer_all(to_all, !message.authority.is_empty(), now, out);
    }
}

/// Answers the questions whose known answers have had their time.
pub(super) fn tick(link: &mut Link, now: Instant, out: &mut Vec<Packet>) {
    let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut link.waiting)
        .into_iter()
        .partition(|waiting| waiting.due <= now);
    link.waiting = later;
    for Waiting { answers, .. } in due {
        link.answer_all(answers, false, now, out);
    }
}
