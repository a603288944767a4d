//! The responder against the clock of the test.

mod hostile;
mod messages;

use std::net::{IpAddr, Ipv4Addr};

use domain::base::iana::Rtype;

use super::super::Wire;
use super::super::link::To;
use super::*;
use messages::{known, probe, question, says, shown};

const OTHER: &str = "10.0.0.7:5353";

fn wire(index: u32, addresses: &[&str]) -> Wire {
    Wire {
        index,
        name: format!("eth{index}"),
        addresses: addresses.iter().map(|net| net.parse().unwrap()).collect(),
    }
}

fn wanted(label: &str, ports: &[Wire]) -> Wanted {
    Wanted {
        label: label.into(),
        ports: ports.to_vec(),
    }
}

/// A responder and its clock.
struct Case {
    responder: Responder,
    now: Instant,
}

impl Case {
    fn new(wanted: &Wanted) -> Case {
        let mut case = Case {
            responder: Responder::new(),
            now: Instant::now(),
        };
        case.responder.set(wanted, case.now);
        case
    }

    /// `kitchen` on one port with 10.0.0.5, served.
    fn served() -> Case {
        let mut case = Case::new(&wanted("kitchen", &[wire(1, &["10.0.0.5/24"])]));
        case.settle();
        case
    }

    fn set(&mut self, wanted: &Wanted) -> Vec<String> {
        self.responder.set(wanted, self.now);
        self.sent()
    }

    /// Goes on to the next deadline, and returns how many milliseconds that took and what was sent.
    fn step(&mut self) -> Option<(u128, Vec<String>)> {
        let due = self.responder.deadline()?.max(self.now);
        let took = due.duration_since(self.now).as_millis();
        self.now = due;
        self.responder.tick(self.now);
        Some((took, self.sent()))
    }

    /// Lets all happen that happens by itself, and a minute pass.
    fn settle(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        for _ in 0..50 {
            match self.step() {
                Some((_, sent)) => all.extend(sent),
                None => break,
            }
        }
        assert_eq!(self.responder.deadline(), None, "idle means idle");
        self.now += Duration::from_secs(60);
        all
    }

    fn hear(&mut self, from: &str, bytes: &[u8]) -> Vec<String> {
        self.responder.receive(1, from.parse().unwrap(), bytes, self.now);
        self.sent()
    }

    fn sent(&mut self) -> Vec<String> {
        self.responder.outbox().iter().map(shown).collect()
    }

    fn name(&self) -> Option<String> {
        self.responder.local_name().map(|found| found.name)
    }
}

const PROBE: &str = "1 all asks ANY? kitchen.local claims [kitchen.local 120 A 10.0.0.5]";
const TOLD: &str =
    "1 all says [kitchen.local 120! A 10.0.0.5] [5.0.0.10.in-addr.arpa 120! PTR kitchen.local.]";
const FAREWELL: &str = "1 all says [kitchen.local 0 A 10.0.0.5] [5.0.0.10.in-addr.arpa 0 PTR kitchen.local.]";
const ANSWER: &str =
    "1 all says [kitchen.local 120! A 10.0.0.5] and [kitchen.local 120! NSEC kitchen.local. A]";
const IN: u16 = 1;
const QU: u16 = 0x8001;
const US: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 5);
const THEM: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 7);

#[test]
fn a_name_is_asked_for_three_times_and_told_twice() {
    let mut case = Case::new(&wanted("kitchen", &[wire(1, &["10.0.0.5/24"])]));
    let (took, sent) = case.step().unwrap();
    assert!(took < 250, "{took}");
    assert_eq!(sent, [PROBE]);
    assert_eq!(case.step(), Some((250, vec![PROBE.into()])));
    assert_eq!(case.step(), Some((250, vec![PROBE.into()])));
    assert_eq!(case.name(), None);
    assert_eq!(case.step(), Some((250, vec![TOLD.into()])));
    assert_eq!(case.name().as_deref(), Some("kitchen.local"));
    assert_eq!(case.step(), Some((1000, vec![TOLD.into()])));
    assert_eq!(case.step(), None);
}

#[test]
fn questions_are_answered_once_a_second_and_not_before_the_name_is_ours() {
    let ask = question("Kitchen.LOCAL", Rtype::A, IN);
    let mut case = Case::new(&wanted("kitchen", &[wire(1, &["10.0.0.5/24"])]));
    assert!(case.hear(OTHER, &ask).is_empty());
    case.settle();
    assert_eq!(case.hear(OTHER, &ask), [ANSWER]);
    case.now += Duration::from_millis(999);
    assert!(case.hear("10.0.0.8:5353", &ask).is_empty());
    case.now += Duration::from_millis(1);
    assert_eq!(case.hear(OTHER, &ask), [ANSWER]);

    let reverse = question("5.0.0.10.in-addr.arpa", Rtype::PTR, IN);
    assert_eq!(
        case.hear(OTHER, &reverse),
        ["1 all says [5.0.0.10.in-addr.arpa 120! PTR kitchen.local.]"]
    );
    for other in ["kitchen", "pantry.local", "7.0.0.10.in-addr.arpa"] {
        assert!(case.hear(OTHER, &question(other, Rtype::ANY, IN)).is_empty());
    }
    let chaos = question("kitchen.local", Rtype::A, 3);
    assert!(case.hear(OTHER, &chaos).is_empty());
}

#[test]
fn what_is_not_there_is_denied() {
    let mut case = Case::served();
    let https = question("kitchen.local", Rtype::from_int(65), IN);
    assert_eq!(
        case.hear(OTHER, &https),
        ["1 all says [kitchen.local 120! NSEC kitchen.local. A] and [kitchen.local 120! A 10.0.0.5]"]
    );
}

#[test]
fn known_answers_are_left_out() {
    let mut case = Case::served();
    let ask = |ttl, address| {
        known(
            "kitchen.local",
            Rtype::A,
            IN,
            &[("kitchen.local", ttl, address)],
            false,
        )
    };
    assert!(case.hear(OTHER, &ask(60, US)).is_empty());
    assert_eq!(case.hear(OTHER, &ask(59, US)), [ANSWER], "it soon ends");
    case.now += Duration::from_secs(2);
    assert_eq!(case.hear(OTHER, &ask(60, THEM)), [ANSWER], "it is another");
}

#[test]
fn known_answers_that_follow_are_waited_for() {
    let mut case = Case::served();
    let ask = known("kitchen.local", Rtype::A, IN, &[], true);
    let rest = known("", Rtype::A, IN, &[("kitchen.local", 100, US)], false);
    assert!(case.hear(OTHER, &ask).is_empty());
    assert!(case.hear("10.0.0.8:5353", &rest).is_empty(), "somebody else's");
    let (took, sent) = case.step().unwrap();
    assert!((400..=500).contains(&took), "{took}");
    assert_eq!(sent, [ANSWER]);

    case.now += Duration::from_secs(2);
    assert!(case.hear(OTHER, &ask).is_empty());
    assert!(case.hear(OTHER, &rest).is_empty());
    assert_eq!(case.step().unwrap().1, Vec::<String>::new());
}

#[test]
fn one_host_is_answered_when_it_asks_so_and_all_have_heard_lately() {
    let mut case = Case::served();
    let ask = question("kitchen.local", Rtype::A, QU);
    assert_eq!(case.hear(OTHER, &ask), [ANSWER], "a minute ago is long");
    let alone = ANSWER.replace(" all ", " 10.0.0.7:5353 ");
    assert_eq!(case.hear(OTHER, &ask), [alone]);
    case.now += Duration::from_secs(2);
    assert_eq!(
        case.hear("192.0.2.1:5353", &ask),
        [ANSWER],
        "nothing leaves the wire"
    );
}

#[test]
fn programs_that_know_no_multicast_dns_get_plain_answers() {
    let mut case = Case::served();
    let mut ask = question("KITCHEN.local", Rtype::A, IN);
    ask[..2].copy_from_slice(&[0x12, 0x34]);
    let answer = "1 10.0.0.7:40000 says #4660 A? KITCHEN.local [KITCHEN.local 10 A 10.0.0.5]";
    assert_eq!(case.hear("10.0.0.7:40000", &ask), [answer]);
    assert!(
        case.hear("192.0.2.1:40000", &ask).is_empty(),
        "from beyond the wire"
    );
    let many = (0..500).filter(|_| !case.hear("10.0.0.7:40000", &ask).is_empty());
    assert_eq!(many.count(), 49, "a flood is not answered");
    case.now += Duration::from_secs(1);
    assert_eq!(case.hear("10.0.0.7:40000", &ask), [answer]);
}

#[test]
fn a_name_that_another_host_has_gets_a_number() {
    let mut case = Case::new(&wanted("kitchen", &[wire(1, &["10.0.0.5/24"])]));
    case.step();
    assert!(case.hear(OTHER, &says("kitchen.local", 0, THEM)).is_empty());
    assert!(
        case.hear("10.0.0.7:1234", &says("kitchen.local", 120, THEM))
            .is_empty()
    );
    assert!(case.hear(OTHER, &says("pantry.local", 120, THEM)).is_empty());
    assert!(
        case.hear(OTHER, &says("kitchen.local", 120, US)).is_empty(),
        "it is true"
    );
    case.hear(OTHER, &says("kitchen.local", 120, THEM));
    let sent = case.settle();
    assert_eq!(sent[0], PROBE.replace("kitchen", "kitchen-2"));
    assert_eq!(sent.len(), 5);
    assert_eq!(
        case.responder.local_name(),
        Some(LocalName {
            name: "kitchen-2.local".into(),
            taken: Some("kitchen.local".into())
        })
    );
    assert!(
        case.hear(OTHER, &question("kitchen.local", Rtype::A, IN))
            .is_empty()
    );

    // In another network the name may be free.
    case.set(&wanted("kitchen", &[]));
    assert_eq!(case.name(), None);
    case.set(&wanted("kitchen", &[wire(1, &["10.0.0.5/24"])]));
    case.settle();
    assert_eq!(case.name().as_deref(), Some("kitchen.local"));
}

#[test]
fn a_name_that_is_contested_later_is_asked_for_again() {
    let mut case = Case::served();
    case.hear(OTHER, &says("kitchen.local", 120, THEM));
    assert_eq!(case.step(), Some((0, vec![PROBE.into()])));
    // Nobody defends it: the message was old, or a lie.
    assert_eq!(case.settle().last().unwrap(), TOLD);
    assert_eq!(case.name().as_deref(), Some("kitchen.local"));

    case.hear(OTHER, &says("kitchen.local", 120, THEM));
    case.step();
    case.hear(OTHER, &says("kitchen.local", 120, THEM));
    case.settle();
    assert_eq!(case.name().as_deref(), Some("kitchen-2.local"));
}

#[test]
fn a_name_in_use_is_defended_at_once() {
    let mut case = Case::served();
    let theirs = probe("kitchen.local", &[THEM]);
    assert_eq!(case.hear(OTHER, &theirs).len(), 1);
    case.now += Duration::from_millis(250);
    assert_eq!(case.hear(OTHER, &theirs).len(), 1, "again with the next question");
    assert_eq!(case.name().as_deref(), Some("kitchen.local"));
}

#[test]
fn of_two_that_ask_at_once_the_later_in_order_wins() {
    let mut case = Case::new(&wanted("kitchen", &[wire(1, &["10.0.0.5/24"])]));
    case.step();
    for earlier in [&[Ipv4Addr::new(10, 0, 0, 4)][..], &[US]] {
        assert!(case.hear(OTHER, &probe("kitchen.local", earlier)).is_empty());
        assert_eq!(case.step(), Some((250, vec![PROBE.into()])));
    }
    for later in [&[THEM][..], &[US, THEM]] {
        assert!(case.hear(OTHER, &probe("kitchen.local", later)).is_empty());
        assert_eq!(case.step(), Some((1000, vec![PROBE.into()])));
    }
}

#[test]
fn conflicts_without_end_are_answered_slowly() {
    let mut case = Case::new(&wanted("kitchen", &[wire(1, &["10.0.0.5/24"])]));
    let begin = case.now;
    for number in 1..40 {
        let name = match number {
            1 => "kitchen.local".to_string(),
            _ => format!("kitchen-{number}.local"),
        };
        case.step();
        case.hear(OTHER, &says(&name, 120, THEM));
    }
    let took = case.now.duration_since(begin);
    assert!(took > Duration::from_secs(120), "{took:?}");
}

#[test]
fn other_addresses_are_told_and_old_ones_taken_back() {
    let mut case = Case::served();
    let sent = case.set(&wanted("kitchen", &[wire(1, &["10.0.0.6/24"])]));
    assert_eq!(sent, [FAREWELL]);
    let told = TOLD
        .replace("10.0.0.5", "10.0.0.6")
        .replace("5.0.0.10", "6.0.0.10");
    assert_eq!(case.step(), Some((0, vec![told.clone()])), "without asking anew");
    assert_eq!(case.step(), Some((1000, vec![told])));

    let sent = case.set(&wanted("kitchen", &[wire(1, &["10.0.0.6/24", "fe80::1/64"])]));
    assert!(sent.is_empty(), "{sent:?}");
    let (_, sent) = case.step().unwrap();
    assert!(
        sent[0].starts_with("1 all asks"),
        "by IPv6 nobody has been asked: {sent:?}"
    );
    case.settle();
    assert!(
        case.set(&wanted("kitchen", &[wire(1, &["10.0.0.6/24", "fe80::1/64"])]))
            .is_empty()
    );
    assert_eq!(case.step(), None);
}

#[test]
fn what_is_not_wanted_any_more_is_taken_back() {
    let mut case = Case::served();
    assert_eq!(case.set(&wanted("kitchen", &[])), [FAREWELL]);
    assert_eq!(case.name(), None);
    assert!(
        case.hear(OTHER, &question("kitchen.local", Rtype::A, IN))
            .is_empty()
    );

    let mut case = Case::served();
    assert_eq!(
        case.set(&wanted("pantry", &[wire(1, &["10.0.0.5/24"])])),
        [FAREWELL]
    );
    case.settle();
    assert_eq!(case.name().as_deref(), Some("pantry.local"));

    let mut case = Case::served();
    case.responder.leave(case.now);
    assert_eq!(case.sent(), [FAREWELL]);
}

#[test]
fn each_port_tells_its_own_addresses_and_the_name_is_one_for_all() {
    let ports = [
        wire(1, &["10.0.0.5/24"]),
        wire(2, &["10.9.0.5/24", "169.254.7.8/16"]),
    ];
    let mut case = Case::new(&wanted("kitchen", &ports));
    case.settle();
    assert_eq!(
        case.hear(OTHER, &question("kitchen.local", Rtype::A, IN)),
        [ANSWER]
    );
    case.responder.receive(
        2,
        "169.254.1.1:5353".parse().unwrap(),
        &question("kitchen.local", Rtype::A, IN),
        case.now,
    );
    assert_eq!(
        case.sent(),
        [
            "2 all says [kitchen.local 120! A 10.9.0.5] [kitchen.local 120! A 169.254.7.8] \
          and [kitchen.local 120! NSEC kitchen.local. A]"
        ]
    );
    // Both ports on one wire: what one says comes in at the other.
    let other_port = Ipv4Addr::new(10, 9, 0, 5);
    assert!(
        case.hear("10.9.0.5:5353", &says("kitchen.local", 120, other_port))
            .is_empty()
    );
    assert!(
        case.hear("10.9.0.5:5353", &question("kitchen.local", Rtype::A, IN))
            .is_empty()
    );
    assert_eq!(case.step(), None);
}

#[test]
fn another_responder_of_this_host_is_left_to_serve_the_name() {
    let housemate = "10.0.0.5:5353";
    for claim in [says("kitchen.local", 120, US), probe("kitchen.local", &[US])] {
        let mut case = Case::served();
        assert!(case.hear(housemate, &claim).is_empty(), "without a farewell");
        assert_eq!(
            case.name().as_deref(),
            Some("kitchen.local"),
            "it is still found so"
        );
        assert!(
            case.hear(OTHER, &question("kitchen.local", Rtype::A, IN))
                .is_empty()
        );
        assert!(case.hear(OTHER, &says("kitchen.local", 120, THEM)).is_empty());
        let (took, _) = case.step().unwrap();
        assert_eq!(took, 600_000);
        case.hear(housemate, &claim);
        case.hear(housemate, &says("kitchen.local", 0, US));
        let sent = case.settle();
        assert_eq!(sent, [PROBE, PROBE, PROBE, TOLD, TOLD], "it has gone");
    }
}

#[test]
fn what_we_say_ourselves_is_no_other_responder() {
    let mut case = Case::new(&wanted("kitchen", &[wire(1, &["10.0.0.5/24"])]));
    for _ in 0..5 {
        let due = case.responder.deadline().unwrap();
        case.now = due;
        case.responder.tick(due);
        for packet in case.responder.outbox() {
            assert!(case.hear("10.0.0.5:5353", &packet.bytes).is_empty());
        }
    }
    assert_eq!(case.step(), None);
    // A program of this host that only asks is answered.
    assert_eq!(
        case.hear("10.0.0.5:5353", &question("5.0.0.10.in-addr.arpa", Rtype::A, IN))
            .len(),
        1
    );
}
