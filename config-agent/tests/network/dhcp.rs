//! The life of a DHCPv4 lease: renewed, refused, prolonged by another server, ended; and the address of before.

use std::fs;
use std::time::{Duration, Instant};

use genpack_spec::report::{AddressOrigin, RunReport};

use crate::scripted::{DISCOVER, NAK, REQUEST, Scripted};
use crate::world::{World, ip};

const FIRST: [u8; 4] = [10, 77, 0, 50];
const SECOND: [u8; 4] = [10, 77, 0, 60];
/// T1, T2 and the end.
const LONG: [u32; 3] = [300, 500, 600];

fn has(report: &RunReport, address: &str) -> bool {
    let mut addresses = report.links.iter().flat_map(|link| &link.addresses);
    addresses.any(|have| have.origin == AddressOrigin::Dhcp && have.address.to_string() == address)
}

fn bound(report: &RunReport) -> bool {
    let mut addresses = report.links.iter().flat_map(|link| &link.addresses);
    addresses.any(|address| address.origin == AddressOrigin::Dhcp)
}

fn valid(world: &World) -> u64 {
    world.ipv4_info()["valid_life_time"].as_u64().unwrap()
}

#[test]
fn a_refused_renewal_ends_the_address_at_once() {
    let world = World::new();
    let mut refused = false;
    let mut server = Scripted::start(&world, move |asked| {
        if asked.is_renewal() {
            refused = true;
            let mut replies = asked.garbage();
            replies.push(asked.answer(NAK, [0; 4], LONG));
            return replies;
        }
        match refused {
            false => vec![asked.grant(FIRST, [3, 200, 600])],
            true => vec![asked.grant(SECOND, LONG)],
        }
    });
    let _agent = world.agent(&[]);
    world.await_report("lease", |report| has(report, "10.77.0.50/24"));
    server.await_asked("renewal", |asked| asked.is_renewal());
    let begin = Instant::now();
    world.await_report("other lease", |report| has(report, "10.77.0.60/24"));
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    assert_eq!(world.addresses("4"), ["10.77.0.60/24"]);
    assert_eq!(world.default_routes("4").len(), 1);
}

#[test]
fn dnsmasq_refuses_a_renewal_when_its_range_has_changed() {
    let world = World::new();
    let renew_soon = "--dhcp-option=option:T1,6s";
    let server = world.dnsmasq(&["--dhcp-range=10.77.0.100,10.77.0.150,300", renew_soon]);
    let _agent = world.agent(&[]);
    world.await_report("lease", |report| has_in(report, "10.77.0.1"));
    drop(server);
    fs::remove_file(world.path("dnsmasq.leases")).unwrap();
    ip(&format!("-n {} addr add 10.99.0.1/24 dev up0", world.server));
    let _server = world.dnsmasq(&["--dhcp-range=10.99.0.100,10.99.0.150,300", "--dhcp-authoritative"]);
    world.await_dnsmasq("DHCPNAK", 1);
    world.await_report("address of the new range", |report| has_in(report, "10.99.0.1"));
    assert!(
        world
            .addresses("4")
            .iter()
            .all(|address| address.starts_with("10.99.0."))
    );
}

fn has_in(report: &RunReport, start: &str) -> bool {
    let mut addresses = report.links.iter().flat_map(|link| &link.addresses);
    addresses.any(|have| have.address.to_string().starts_with(start))
}

#[test]
fn a_lease_that_its_server_forgot_is_prolonged_by_another() {
    let world = World::new();
    let mut confirmed = false;
    let mut server = Scripted::start(&world, move |asked| {
        // A renewal names the server of the lease, which is dead.
        if asked.is_renewal() {
            return Vec::new();
        }
        confirmed |= asked.is_confirmation();
        match confirmed {
            false => vec![asked.grant(FIRST, [2, 4, 60])],
            true => vec![asked.grant(FIRST, LONG)],
        }
    });
    let _agent = world.agent(&[]);
    world.await_report("lease", |report| has(report, "10.77.0.50/24"));
    server.await_asked("renewal", |asked| asked.is_renewal());
    let all = server.await_asked("question to all", |asked| asked.is_confirmation());
    assert_eq!(all.requested, Some(FIRST.into()));
    world.await_report("longer lease", |report| {
        assert!(has(report, "10.77.0.50/24") || !bound(report));
        valid(&world) > 60
    });
    assert_eq!(world.addresses("4"), ["10.77.0.50/24"]);
}

#[test]
fn a_lease_ends_with_its_time_when_every_server_is_dead() {
    let world = World::new();
    let server = Scripted::start(&world, |asked| vec![asked.grant(FIRST, [4, 6, 9])]);
    let _agent = world.agent(&["--patience", "1"]);
    world.await_report("lease", |report| has(report, "10.77.0.50/24"));
    let begin = Instant::now();
    drop(server);
    let report = world.await_report("complaint", |report| !report.links[0].problems.is_empty());
    assert!(begin.elapsed() > Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(!bound(&report), "{report:?}");
    assert!(world.addresses("4").is_empty(), "{:?}", world.addresses("4"));
    assert!(world.default_routes("4").is_empty());
    assert!(report.dns.is_empty());
    let _server = world.dhcp_server();
    world.await_report("new lease", bound);
}

#[test]
fn an_offer_that_is_refused_and_answers_that_make_no_sense_stop_nothing() {
    let world = World::new();
    let (mut refusals, mut nonsense) = (0, 0);
    let mut server = Scripted::start(&world, move |asked| {
        let mut replies = asked.garbage();
        match asked.kind {
            REQUEST if refusals == 0 => {
                refusals += 1;
                replies.push(asked.answer(NAK, [0; 4], LONG));
            }
            REQUEST if nonsense == 0 => {
                nonsense += 1;
                replies.push(asked.grant([255, 255, 255, 255], LONG));
            }
            _ => replies.push(asked.grant(FIRST, LONG)),
        }
        replies
    });
    let _agent = world.agent(&["--patience", "1"]);
    let report = world.await_report("complaint about nonsense", |report| {
        report.links.iter().any(|link| !link.problems.is_empty())
    });
    assert!(
        report.links[0].problems[0].english().contains("can't be used"),
        "{report:?}"
    );
    world.await_report("lease", |report| has(report, "10.77.0.50/24"));
    for _ in 0..3 {
        server.await_asked("discovery", |asked| asked.kind == DISCOVER);
    }
}

#[test]
fn elsewhere_a_server_that_says_nothing_about_the_old_address_is_asked_for_any() {
    let world = World::new();
    let server = world.dhcp_server();
    let _agent = world.agent(&[]);
    world.await_report("lease", bound);
    ip(&format!("-n {} link set up0 down", world.server));
    world.await_report("pulled cable", |report| {
        report.links.iter().all(|link| !link.carrier)
    });
    drop(server);
    fs::remove_file(world.path("dnsmasq.leases")).unwrap();
    let _server = world.dnsmasq(&["--dhcp-range=10.77.0.200,10.77.0.220,300"]);
    ip(&format!("-n {} link set up0 up", world.server));
    let begin = Instant::now();
    world.await_report("address of the other server", |report| {
        has_in(report, "10.77.0.2")
    });
    assert!(begin.elapsed() < Duration::from_secs(25), "{:?}", begin.elapsed());
    assert_eq!(world.addresses("4").len(), 1);
}

#[test]
fn the_address_is_asked_for_again_at_the_next_start() {
    let world = World::new();
    let _server = world.dhcp_server();
    let mut agent = world.agent_with_card(&["--patience", "1"]);
    world.await_report("lease", bound);
    let before = world.addresses("4");
    let kept = format!(
        "/proc/{}/root{}",
        agent.pid(),
        world.run_dir().join("boot/boot/state").display()
    );
    let text = world.await_card(&kept, "leases", &agent);
    assert_eq!(
        text,
        format!("02:00:00:00:77:02 {}\n", before[0].trim_end_matches("/24"))
    );
    agent.signal(nix::sys::signal::Signal::SIGTERM);

    // The next start has an empty /run, a new port, and the card.
    fs::create_dir_all(world.path("card/boot/state")).unwrap();
    fs::write(world.path("card/boot/state/leases"), format!("{text}rubbish\n")).unwrap();
    fs::remove_dir_all(world.run_dir().join("leases")).unwrap();
    fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
    ip(&format!("-n {} link del eth0", world.device));
    world.plug();
    let _agent = world.agent_with_card(&[]);
    world.await_report("lease", bound);
    assert_eq!(world.addresses("4"), before);
    let log = fs::read_to_string(world.path("dnsmasq.log")).unwrap();
    assert_eq!(log.matches(" DHCPDISCOVER(").count(), 1, "{log}");
    assert_eq!(log.matches(" DHCPACK(").count(), 2, "{log}");
}

#[test]
fn without_a_servers_word_the_address_of_before_is_not_used() {
    let world = World::new();
    fs::create_dir_all(world.path("card/boot/state")).unwrap();
    fs::write(
        world.path("card/boot/state/leases"),
        "02:00:00:00:77:02 10.77.0.50\n02:00:00:00:00:99 10.77.0.51\n",
    )
    .unwrap();
    let mut server = Scripted::start(&world, |_| Vec::new());
    let _agent = world.agent_with_card(&["--patience", "1"]);
    let first = server.await_asked("question", |_| true);
    assert!(first.is_confirmation(), "{first:?}");
    assert_eq!(first.requested, Some(FIRST.into()));
    server.await_asked("discovery", |asked| asked.kind == DISCOVER);
    world.await_report("complaint", |report| !report.links[0].problems.is_empty());
    assert!(world.addresses("4").is_empty(), "{:?}", world.addresses("4"));
}
