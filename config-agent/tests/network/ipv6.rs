//! What IPv6 brings: addresses and name servers from routers (radvd) and from DHCPv6 (dnsmasq).

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use genpack_spec::report::{AddressOrigin, RunReport};
use nix::sys::signal::Signal;

use crate::world::{Process, World};

fn origin_of(report: &RunReport, start: &str) -> Option<AddressOrigin> {
    let mut addresses = report.links.iter().flat_map(|link| &link.addresses);
    addresses
        .find(|have| have.address.to_string().starts_with(start))
        .map(|have| have.origin)
}

fn has_server(report: &RunReport, address: &str) -> bool {
    report.dns.contains(&address.parse().unwrap())
}

fn resolv(world: &World) -> String {
    fs::read_to_string(world.run_dir().join("resolver/resolv.conf")).unwrap_or_default()
}

/// Waits until the resolver's data ends like this: each option of a router is a message of its own.
fn await_resolv(world: &World, end: &str) {
    world.await_file(&world.run_dir(), end, || {
        resolv(world).ends_with(end).then_some(())
    });
}

/// Starts radvd on the server's end with these lines about its interface.
fn radvd(world: &World, lines: &str) -> Process {
    let forward = [
        "netns",
        "exec",
        &world.server,
        "sysctl",
        "-qw",
        "net.ipv6.conf.all.forwarding=1",
    ];
    assert!(Command::new("ip").args(forward).status().unwrap().success());
    let config = world.path("radvd.conf");
    fs::write(
        &config,
        format!("interface up0 {{ AdvSendAdvert on; {lines} }};\n"),
    )
    .unwrap();
    let child = Command::new("ip")
        .args([
            "netns",
            "exec",
            &world.server,
            "radvd",
            "--nodaemon",
            "--logmethod=stderr",
        ])
        .arg(format!("--config={}", config.display()))
        .arg(format!("--pidfile={}", world.path("radvd.pid").display()))
        .stdin(Stdio::null())
        .stderr(fs::File::create(world.path("radvd.log")).unwrap())
        .spawn()
        .unwrap();
    Process(child)
}

#[test]
fn an_address_by_dhcpv6_where_routers_say_so() {
    let world = World::new();
    let server = || {
        world.dnsmasq(&[
            "--dhcp-range=fd77::100,fd77::1ff,64,300",
            "--enable-ra",
            "--dhcp-option=option6:domain-search,test.lan",
            "--dhcp-option=option6:dns-server,[fd77::53]",
        ])
    };
    let running = server();
    let mut agent = world.agent(&[]);
    let report = world.await_report("address and name server", |report| {
        origin_of(report, "fd77::1").is_some() && has_server(report, "fd77::53")
    });
    assert_eq!(origin_of(&report, "fd77::1"), Some(AddressOrigin::Dhcp));
    await_resolv(&world, "search test.lan\n");
    assert!(resolv(&world).contains("nameserver fd77::53\n"));
    let given: Vec<_> = world
        .addresses("6")
        .into_iter()
        .filter(|ip| ip.ends_with("/128"))
        .collect();
    assert_eq!(given.len(), 1, "{given:?}");
    let links = world.ip_json("-6 addr show dev eth0 scope global");
    let info = links[0]["addr_info"].as_array().unwrap();
    let info = info.iter().find(|info| info["prefixlen"] == 128).unwrap();
    let valid = info["valid_life_time"].as_u64().unwrap();
    assert!((250..=300).contains(&valid), "{info}");

    // A restart of the agent drops nothing.
    let monitor = Command::new("ip")
        .args(["-n", &world.device, "-6", "monitor", "address"])
        .stdout(fs::File::create(world.path("monitor")).unwrap())
        .spawn()
        .unwrap();
    let _monitor = Process(monitor);
    agent.signal(Signal::SIGTERM);
    fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
    let _agent = world.agent(&[]);
    world.await_report("the same address", |report| {
        origin_of(report, "fd77::1").is_some()
    });
    world.await_dnsmasq("DHCPREPLY", 2);
    let now: Vec<_> = world
        .addresses("6")
        .into_iter()
        .filter(|ip| ip.ends_with("/128"))
        .collect();
    assert_eq!(now, given);
    let changes = fs::read_to_string(world.path("monitor")).unwrap();
    assert!(!changes.contains("Deleted"), "{changes}");
    drop(running);
}

#[test]
fn a_dhcpv6_server_may_come_late() {
    let world = World::new();
    let _router = radvd(
        &world,
        "AdvManagedFlag on; prefix fd77::/64 { AdvAutonomous off; };",
    );
    let _agent = world.agent(&[]);
    world.await_file(&world.path(""), "a client", || {
        let log = fs::read_to_string(world.path("agent.log")).unwrap_or_default();
        log.contains("eth0: start DHCPv6\n").then_some(())
    });
    let _server = world.dnsmasq(&["--dhcp-range=fd77::100,fd77::1ff,64,300"]);
    world.await_report("address", |report| {
        origin_of(report, "fd77::1") == Some(AddressOrigin::Dhcp)
    });
}

#[test]
fn name_servers_by_dhcpv6_where_routers_say_that_there_is_no_more() {
    let world = World::new();
    let _server = world.dnsmasq(&[
        "--dhcp-range=fd77::,ra-stateless,64,300",
        "--domain=test.lan",
        "--dhcp-option=option6:dns-server,[fd77::53]",
        "--dhcp-option=option6:domain-search,example.org",
    ]);
    let _agent = world.agent(&[]);
    let report = world.await_report("address and name server", |report| {
        origin_of(report, "fd77:").is_some() && has_server(report, "fd77::53")
    });
    assert_eq!(
        origin_of(&report, "fd77:"),
        Some(AddressOrigin::RouterAdvertisement)
    );
    world.await_dnsmasq("DHCPINFORMATION-REQUEST", 1);
    await_resolv(&world, "example.org\n");
    assert!(world.addresses("6").iter().all(|ip| !ip.ends_with("/128")));
}

#[test]
fn what_a_router_says_ends_with_its_time() {
    let world = World::new();
    let mut router = radvd(
        &world,
        "MinRtrAdvInterval 3; MaxRtrAdvInterval 4;
         prefix fd77::/64 { };
         RDNSS fd77::53 fe80::53 { AdvRDNSSLifetime 9; };
         DNSSL test.lan { AdvDNSSLLifetime 9; };",
    );
    let _agent = world.agent(&[]);
    let report = world.await_report("name servers", |report| {
        has_server(report, "fd77::53") && has_server(report, "fe80::53")
    });
    await_resolv(
        &world,
        "nameserver fd77::53\nnameserver fe80::53%eth0\nsearch test.lan\n",
    );
    assert!(report.links[0].problems.is_empty(), "{report:?}");
    world.await_report("address", |report| {
        origin_of(report, "fd77:") == Some(AddressOrigin::RouterAdvertisement)
    });
    // Without a farewell, which would take everything back at once.
    router.signal(Signal::SIGKILL);
    let begin = Instant::now();
    world.await_report("end of the name servers", |report| report.dns.is_empty());
    assert!(begin.elapsed() > Duration::from_secs(3), "{:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(!resolv(&world).contains("search"), "{}", resolv(&world));
}

#[test]
fn a_router_that_speaks_rarely_is_asked() {
    let world = World::new();
    let _router = radvd(
        &world,
        "MinRtrAdvInterval 900; MaxRtrAdvInterval 1800;
         prefix fd77::/64 { };
         RDNSS fd77::53 { AdvRDNSSLifetime 3600; };",
    );
    let mut agent = world.agent(&[]);
    world.await_report("name server", |report| has_server(report, "fd77::53"));
    // What the kernel heard before the agent listened is not told again.
    agent.signal(Signal::SIGTERM);
    fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
    let begin = Instant::now();
    let _agent = world.agent(&[]);
    world.await_report("name server", |report| has_server(report, "fd77::53"));
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
}
