//! Whatever anybody sends does no harm.

use proptest::prelude::*;

use super::*;

/// Messages that are nearly right: parts of real ones, cut, joined and with bytes changed.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let seeds = vec![
        question("kitchen.local", Rtype::ANY, IN),
        question("5.0.0.10.in-addr.arpa", Rtype::PTR, QU),
        probe("kitchen.local", &[US, THEM]),
        says("kitchen.local", 120, THEM),
        known("kitchen.local", Rtype::A, IN, &[("kitchen.local", 90, US)], true),
    ];
    let changed = (
        proptest::sample::select(seeds),
        proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..12),
        proptest::collection::vec(any::<u8>(), 0..40),
    )
        .prop_map(|(mut bytes, changes, tail)| {
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes.extend(tail);
            bytes
        });
    prop_oneof![changed, proptest::collection::vec(any::<u8>(), 0..600)]
}

proptest! {
    #[test]
    fn no_message_does_harm(
        messages in proptest::collection::vec((hostile(), any::<[u8; 4]>(), any::<u16>(), 0u64..3000), 1..20)
    ) {
        let mut case = Case::served();
        for (bytes, from, port, pause) in messages {
            let port = if port % 2 == 0 { 5353 } else { port };
            // Half of them from the wire.
            let from = if from[0] % 2 == 0 { [10, 0, 0, from[3]] } else { from };
            let address = IpAddr::from(from);
            case.responder.receive(1, SocketAddr::new(address, port), &bytes, case.now);
            let out = case.responder.outbox();
            prop_assert!(out.len() <= 2, "{out:?}");
            for packet in &out {
                prop_assert!(packet.bytes.len() <= 1200);
                if let To::Host(to) = packet.to {
                    prop_assert!(to.ip() == address && from[..3] == [10, 0, 0], "beyond the wire: {to}");
                }
            }
            case.now += Duration::from_millis(pause);
            case.responder.tick(case.now);
            case.responder.outbox();
        }
        // Whatever was said: in the end the name is served, here or by another responder of this host.
        while case.step().is_some_and(|(took, _)| took < 600_000) {}
        prop_assert!(case.name().is_some());
    }
}
