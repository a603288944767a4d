use super::*;
use proptest::prelude::*;

const IP: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
const MS: Duration = Duration::from_millis(1);

fn other() -> MacAddress {
    MacAddress::new([2, 0, 0, 0, 0, 9])
}

fn uses() -> Arp {
    Arp {
        sender: other(),
        sender_ip: IP,
        target_ip: Ipv4Addr::new(192, 0, 2, 1),
    }
}

fn wants() -> Arp {
    Arp {
        sender_ip: Ipv4Addr::UNSPECIFIED,
        target_ip: IP,
        ..uses()
    }
}

/// Lets time pass until `end`; returns what was sent, with the milliseconds after `begin`.
fn run(claim: &mut Claim, begin: Instant, end: Instant) -> Vec<(u128, Output)> {
    let mut sent = Vec::new();
    while let Some(now) = claim.deadline().filter(|at| *at <= end) {
        sent.extend(
            claim
                .advance(now)
                .map(|output| ((now - begin).as_millis(), output)),
        );
    }
    sent
}

fn plugged(mut claim: Claim, now: Instant) -> Claim {
    claim.plug(true, now, 20 * MS);
    claim
}

#[test]
fn a_free_address_is_asked_about_three_times_and_announced_twice() {
    let begin = Instant::now();
    let mut claim = plugged(Claim::insistent(IP), begin);
    assert!(!claim.is_usable());
    let sent = run(&mut claim, begin, begin + 3_600_000 * MS);
    use Output::*;
    assert_eq!(
        sent,
        [
            (20, Probe),
            (270, Probe),
            (520, Probe),
            (1020, Announce),
            (3020, Announce)
        ]
    );
    assert!(claim.is_usable());
    assert_eq!((claim.clash(), claim.deadline()), (None, None), "idle means idle");
}

#[test]
fn nothing_is_sent_or_used_without_a_cable() {
    let begin = Instant::now();
    let mut claim = Claim::insistent(IP);
    assert_eq!(claim.deadline(), None);
    claim.plug(false, begin, MS);
    assert!(!claim.is_usable() && claim.deadline().is_none());
}

#[test]
fn whoever_has_the_address_or_wants_it_too_makes_us_wait() {
    for arp in [uses(), wants()] {
        let begin = Instant::now();
        let mut claim = plugged(Claim::insistent(IP), begin);
        run(&mut claim, begin, begin + 300 * MS);
        assert_eq!(claim.hear(&arp, begin + 300 * MS), None);
        assert_eq!((claim.is_usable(), claim.clash()), (false, Some(other())));
    }
}

#[test]
fn frames_about_other_addresses_change_nothing() {
    let begin = Instant::now();
    let mut claim = plugged(Claim::insistent(IP), begin);
    let before = claim.clone();
    let elsewhere = Ipv4Addr::new(192, 0, 2, 8);
    claim.hear(
        &Arp {
            sender_ip: elsewhere,
            target_ip: IP,
            ..uses()
        },
        begin,
    );
    claim.hear(
        &Arp {
            target_ip: elsewhere,
            ..wants()
        },
        begin,
    );
    assert_eq!(claim, before);
}

#[test]
fn a_taken_address_is_asked_about_ever_less_often_and_used_once_free() {
    let begin = Instant::now();
    let mut claim = plugged(Claim::insistent(IP), begin);
    claim.hear(&uses(), begin);
    let mut pauses = Vec::new();
    for _ in 0..6 {
        let lost = claim.deadline().unwrap();
        // To the first probe, which is answered.
        assert_eq!(claim.advance(lost), None);
        assert_eq!(claim.clash(), Some(other()), "told until it is known to be free");
        assert_eq!(claim.advance(lost), Some(Output::Probe));
        claim.hear(&uses(), lost);
        pauses.push((claim.deadline().unwrap() - lost).as_secs());
    }
    assert_eq!(pauses, [120, 240, 480, 600, 600, 600]);
    let lost = claim.deadline().unwrap();
    run(&mut claim, begin, lost + 10_000 * MS);
    assert!(claim.is_usable());
    assert_eq!(claim.clash(), None);
}

#[test]
fn a_cable_that_comes_back_asks_again_at_once_and_keeps_the_address_meanwhile() {
    let begin = Instant::now();
    let mut claim = plugged(Claim::insistent(IP), begin);
    run(&mut claim, begin, begin + 30_000 * MS);
    claim.plug(false, begin, MS);
    assert!(claim.is_usable());
    let back = begin + 40_000 * MS;
    claim.plug(true, back, MS);
    assert!(claim.is_usable());
    let mut elsewhere = claim.clone();
    elsewhere.hear(&wants(), back);
    assert!(elsewhere.is_usable(), "the kernel answers");
    elsewhere.hear(&uses(), back);
    assert!(!elsewhere.is_usable(), "on this wire somebody else was first");
    assert_eq!(run(&mut claim, back, back + 5_000 * MS).len(), 5);
    assert!(claim.is_usable());

    elsewhere.plug(false, back, MS);
    assert_eq!(elsewhere.clash(), None);
    elsewhere.plug(true, back, MS);
    assert_eq!(
        elsewhere.deadline(),
        Some(back + MS),
        "no pause after a new cable"
    );
}

#[test]
fn an_address_from_an_earlier_life_is_not_asked_about() {
    let claim = Claim::insistent(IP).kept();
    assert!(claim.is_usable());
    assert_eq!(claim.deadline(), None);
}

#[test]
fn who_was_there_first_wins_even_when_heard_late() {
    let begin = Instant::now();
    let mut claim = plugged(Claim::insistent(IP), begin);
    run(&mut claim, begin, begin + 5_000 * MS);
    assert_eq!(claim.hear(&uses(), begin + 5_000 * MS), None);
    assert!(!claim.is_usable());
}

#[test]
fn a_typed_address_is_defended_for_ever_but_not_often() {
    let begin = Instant::now();
    let mut claim = Claim::insistent(IP).kept();
    let defended: Vec<u64> = (0..60)
        .filter(|second| {
            claim
                .hear(&uses(), begin + Duration::from_secs(*second))
                .is_some()
        })
        .collect();
    assert_eq!(defended, [0, 10, 20, 30, 40, 50]);
    assert!(claim.is_usable());
    assert_eq!(claim.contest(), Some(other()));
    let quiet = claim.deadline().unwrap();
    assert_eq!(quiet, begin + Duration::from_secs(59) + CONTEST_OVER);
    assert_eq!(claim.advance(quiet), None);
    assert_eq!((claim.contest(), claim.deadline()), (None, None));
}

#[test]
fn a_rescue_address_is_defended_once_and_then_given_up() {
    let begin = Instant::now();
    let mut claim = Claim::yielding(IP).kept();
    assert_eq!(claim.hear(&uses(), begin), Some(Output::Announce));
    let mut later = claim.clone();
    assert_eq!(
        later.hear(&uses(), begin + DEFEND_INTERVAL),
        Some(Output::Announce)
    );
    assert!(later.is_usable());
    assert_eq!(claim.hear(&uses(), begin + DEFEND_INTERVAL - MS), None);
    assert!(!claim.is_usable());
    assert_eq!(claim.deadline(), None, "another one is chosen");
}

proptest! {
    /// Whatever happens in whatever order: time goes on, and we never send more than a few frames a second.
    #[test]
    fn no_order_of_events_makes_it_loop_or_flood(events in proptest::collection::vec((0u8..6, 0u64..5_000), 0..200), insistent: bool) {
        let begin = Instant::now();
        let mut now = begin;
        let mut claim = Claim::new(IP, insistent, false);
        let mut sent = 0;
        for (event, pass) in events {
            let end = now + Duration::from_millis(pass);
            let mut rounds = 0;
            while let Some(at) = claim.deadline().filter(|at| *at <= end) {
                rounds += 1;
                prop_assert!(rounds < 1000);
                sent += usize::from(claim.advance(at.max(now)).is_some());
            }
            now = end;
            let output = match event {
                0 => { claim.plug(true, now, MS); None }
                1 => { claim.plug(false, now, MS); None }
                2 | 3 => claim.hear(&uses(), now),
                _ => claim.hear(&wants(), now),
            };
            sent += usize::from(output.is_some());
            prop_assert!(claim.clash().is_none() || claim.contest().is_none());
        }
        prop_assert!(sent as u128 <= 10 + (now - begin).as_millis() / 100 + 200, "{sent}");
    }
}
