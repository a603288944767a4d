//! Tunnels to the other end of the cable, judged by wg(8), ping(8) and `ip -j`.

use std::fs;
use std::io::Write;
use std::process::{Command, Output, Stdio};

use genpack_spec::report::{AddressOrigin, RunReport};
use nix::sys::signal::Signal;

use crate::links::{has, link};
use crate::world::{Process, World, ip};

/// A pair of keys, as wg(8) makes them.
struct Keys {
    private: String,
    public: String,
}

fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn said(command: &mut Command, input: &str) -> String {
    let output = run(command, input);
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_string()
}

fn keys() -> Keys {
    let private = said(Command::new("wg").arg("genkey"), "");
    let public = said(Command::new("wg").arg("pubkey"), &private);
    Keys { private, public }
}

fn inside(namespace: &str, program: &str) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace, program]);
    command
}

/// Whether one answer comes before the deadline; ping(8) asks every second.
fn ping(namespace: &str, from: &str, to: &str, seconds: u32) -> bool {
    let mut command = inside(namespace, "ping");
    let wait = seconds.to_string();
    command.args(["-n", "-c", "1", "-w", &wait, "-I", from, to]);
    run(&mut command, "").status.success()
}

/// What `wg show` says about one thing.
fn show(namespace: &str, what: &str) -> String {
    said(inside(namespace, "wg").args(["show", "wg0", what]), "")
}

/// The other end: it has 10.10.0.1 in the tunnel, 10.20.0.1 behind it, and 198.51.100.1, which stands for the rest of the world.
fn other_end(world: &World, own: &Keys, device: &Keys) {
    let server = &world.server;
    ip(&format!("-n {server} link add wg0 type wireguard"));
    for address in [
        "10.10.0.1/24 dev wg0",
        "fd10::1/64 dev wg0 nodad",
        "10.20.0.1/32 dev lo",
        "fd20::1/128 dev lo nodad",
        "198.51.100.1/32 dev lo",
    ] {
        ip(&format!("-n {server} addr add {address}"));
    }
    let key = ["set", "wg0", "private-key", "/dev/stdin", "listen-port", "51820"];
    said(inside(server, "wg").args(key), &own.private);
    allow(world, device);
    ip(&format!("-n {server} link set wg0 up"));
}

/// Lets a device in.
fn allow(world: &World, device: &Keys) {
    let peer = [
        "set",
        "wg0",
        "peer",
        &device.public,
        "allowed-ips",
        "10.10.0.2/32,fd10::2/128",
    ];
    said(inside(&world.server, "wg").args(peer), "");
}

fn tunnel(own: &Keys, peers: &str) -> String {
    format!(
        r#"{{"wireguard": {{"wg0": {{"private_key": {{"secret": "{}"}}, "addresses": ["10.10.0.2/24", "fd10::2/64"],
            "peers": {{{peers}}}}}}}}}"#,
        own.private
    )
}

fn peer(key: &Keys, endpoint: &str, allowed: &str) -> String {
    format!(
        r#""office": {{"public_key": "{}", "endpoint": "{endpoint}", "keepalive": 25, "allowed_ips": [{allowed}]}}"#,
        key.public
    )
}

const NETS: &str = r#""10.10.0.0/24", "10.20.0.0/16", "fd20::/16""#;
const ENDPOINT: &str = "10.77.0.1:51820";

fn is_ready(report: &RunReport) -> bool {
    has(report, "wg0", AddressOrigin::Static) && has(report, "eth0", AddressOrigin::Dhcp)
}

/// Starts the agent with settings, and waits until both its port and its tunnel have their addresses.
fn start(world: &World, settings: &str) -> Process {
    world.settings(settings);
    let _ = fs::remove_file(world.run_dir().join("run-report.json"));
    let agent = world.agent(&[]);
    world.await_report("addresses of port and tunnel", is_ready);
    agent
}

fn log(world: &World) -> String {
    fs::read_to_string(world.path("agent.log")).unwrap()
}

/// What the agent has done to the tunnel's keys, peers, routes and rules.
fn steps(world: &World) -> usize {
    let log = log(world);
    let lines = log
        .lines()
        .filter(|line| line.contains("wg0: ") || line.contains("tunnels: "));
    lines.count()
}

fn problems(report: &RunReport) -> String {
    let texts = link(report, "wg0").into_iter().flat_map(|link| &link.problems);
    texts.map(|text| text.english()).collect()
}

fn rules(world: &World) -> String {
    let both = ["-4", "-6"].map(|family| world.ip_json(&format!("{family} rule show")).to_string());
    both.concat()
}

#[test]
fn a_tunnel_works_and_an_agent_that_is_started_again_changes_nothing() {
    let world = World::new();
    let _dhcp = world.dhcp_server();
    let (here, there) = (keys(), keys());
    other_end(&world, &there, &here);
    let settings = tunnel(&here, &peer(&there, ENDPOINT, NETS));
    let mut agent = start(&world, &settings);
    for address in ["10.10.0.1", "10.20.0.1", "fd20::1"] {
        assert!(
            ping(&world.device, "wg0", address, 30),
            "{address}\n{}",
            log(&world)
        );
    }
    assert_eq!(show(&world.device, "public-key"), here.public);
    assert_eq!(
        show(&world.device, "persistent-keepalive"),
        format!("{}\t25", there.public)
    );
    let route = &world.ip_json("route show 10.20.0.0/16")[0];
    assert_eq!((&route["dev"], &route["protocol"]), (&"wg0".into(), &"98".into()));
    assert!(!rules(&world).contains("98"), "{}", rules(&world));

    let (handshake, steps_before) = (show(&world.device, "latest-handshakes"), steps(&world));
    agent.signal(Signal::SIGKILL);
    let mut agent = start(&world, &settings);
    assert_eq!(steps(&world), steps_before, "{}", log(&world));
    assert_eq!(show(&world.device, "latest-handshakes"), handshake);

    // The other end gets another key, which is another peer.
    let renewed = keys();
    agent.signal(Signal::SIGTERM);
    said(
        inside(&world.server, "wg").args(["set", "wg0", "private-key", "/dev/stdin"]),
        &renewed.private,
    );
    let mut agent = start(&world, &tunnel(&here, &peer(&renewed, ENDPOINT, NETS)));
    assert_eq!(show(&world.device, "peers"), renewed.public);
    assert!(ping(&world.device, "wg0", "10.20.0.1", 30), "{}", log(&world));

    // Then this end, with a peer that has less behind it.
    agent.signal(Signal::SIGTERM);
    let new_here = keys();
    allow(&world, &new_here);
    let mut agent = start(
        &world,
        &tunnel(&new_here, &peer(&renewed, ENDPOINT, r#""10.10.0.0/24""#)),
    );
    assert_eq!(show(&world.device, "public-key"), new_here.public);
    assert_eq!(
        show(&world.device, "allowed-ips"),
        format!("{}\t10.10.0.0/24", renewed.public)
    );
    assert!(ping(&world.device, "wg0", "10.10.0.1", 30), "{}", log(&world));
    assert_eq!(world.ip_json("route show 10.20.0.0/16").to_string(), "[]");

    agent.signal(Signal::SIGTERM);
    world.settings("{}");
    fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
    let _agent = world.agent(&[]);
    world.await_report("no tunnel", |report| {
        link(report, "wg0").is_none() && has(report, "eth0", AddressOrigin::Dhcp)
    });
    assert!(!world.ip_json("link show").to_string().contains("wg0"));
    let said = log(&world) + &fs::read_to_string(world.run_dir().join("run-report.json")).unwrap();
    for secret in [&here.private, &new_here.private] {
        assert!(!said.contains(secret.as_str()));
    }
}

#[test]
fn a_tunnel_for_everything_leaves_the_device_reachable() {
    let world = World::new();
    let _dhcp = world.dhcp_server();
    let (here, there) = (keys(), keys());
    other_end(&world, &there, &here);
    // Somebody who is not on the wire, and whom the tunnel would swallow.
    ip(&format!("-n {} addr add 203.0.113.9/32 dev lo", world.server));
    let everything = peer(&there, ENDPOINT, r#""0.0.0.0/0", "::/0""#);
    let mut agent = start(&world, &tunnel(&here, &everything));
    let way = || world.ip_json("route get 198.51.100.1")[0]["dev"].clone();
    // The default route is there once the other end has answered.
    assert!(ping(&world.device, "wg0", "10.10.0.1", 30), "{}", log(&world));
    world.await_file(&world.path(""), "default route through the tunnel", || {
        log(&world).contains("add the rule 9802: IPv6").then_some(())
    });
    assert_eq!(way(), "wg0");
    assert!(ping(&world.device, "10.10.0.2", "198.51.100.1", 10));
    assert_eq!(world.ip_json("-6 route get 2001:db8:ffff::1")[0]["dev"], "wg0");

    // The wire, and who comes from beyond it, still get answers from the port.
    let address = world.addresses("4")[0].split('/').next().unwrap().to_string();
    assert!(ping(&world.server, "10.77.0.1", &address, 10));
    assert!(ping(&world.server, "203.0.113.9", &address, 10));
    assert_eq!(world.ip_json("route get 10.77.0.1")[0]["dev"], "eth0");
    assert!(!rules(&world).is_empty());

    // Whatever becomes of the other end.
    ip(&format!("-n {} link set wg0 down", world.server));
    assert!(ping(&world.server, "203.0.113.9", &address, 10));
    ip(&format!("-n {} link set wg0 up", world.server));

    let steps_before = steps(&world);
    agent.signal(Signal::SIGKILL);
    let mut agent = start(&world, &tunnel(&here, &everything));
    assert_eq!(steps(&world), steps_before, "{}", log(&world));

    agent.signal(Signal::SIGTERM);
    world.settings("{}");
    fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
    let _agent = world.agent(&[]);
    world.await_report("no tunnel", |report| {
        link(report, "wg0").is_none() && has(report, "eth0", AddressOrigin::Dhcp)
    });
    assert_eq!(way(), "eth0");
    assert!(!rules(&world).contains("\"98\""), "{}", rules(&world));
}

/// Returns the priorities of the agent's rules.
fn priorities(world: &World) -> Vec<u64> {
    let rules = world.own_rules().into_iter();
    rules.map(|rule| rule["priority"].as_u64().unwrap()).collect()
}

#[test]
fn the_rules_of_a_tunnel_and_those_of_two_cables_leave_each_other_alone() {
    let world = World::new();
    world.cable(1);
    let server = &world.server;
    ip(&format!("-n {server} addr add 169.254.10.10/16 dev up1"));
    let _dhcp = world.dhcp_server();
    let (here, there) = (keys(), keys());
    other_end(&world, &there, &here);
    let everything = tunnel(&here, &peer(&there, ENDPOINT, r#""0.0.0.0/0""#));
    let mut agent = start(&world, &everything);
    let rescued = |report: &RunReport| {
        has(report, "eth1", AddressOrigin::LinkLocal) && world.all_addresses_of("eth0", "4").len() == 2
    };
    world.await_report("rescue addresses", rescued);
    world.await_file(&world.path(""), "default route through the tunnel", || {
        log(&world).contains("add the rule 9802: IPv4").then_some(())
    });
    let rescue = world.all_addresses_of("eth1", "4")[0]
        .split('/')
        .next()
        .unwrap()
        .to_string();
    assert!(ping(server, "169.254.10.10", &rescue, 10));
    let all = priorities(&world);
    // Two for each of three addresses; one for each address that the tunnel would swallow.
    assert_eq!(
        all,
        [9732, 9732, 9732, 9733, 9733, 9733, 9800, 9801, 9802],
        "{}",
        log(&world)
    );

    agent.signal(Signal::SIGKILL);
    let mut agent = start(&world, &everything);
    world.await_report("the same in the next life", rescued);
    assert_eq!(priorities(&world), all);

    agent.signal(Signal::SIGTERM);
    world.settings("{}");
    fs::remove_file(world.run_dir().join("run-report.json")).unwrap();
    let _agent = world.agent(&[]);
    world.await_report("no tunnel", |report| {
        link(report, "wg0").is_none() && rescued(report)
    });
    assert_eq!(priorities(&world), all[..6]);
    assert!(ping(server, "169.254.10.10", &rescue, 10));
}

#[test]
fn an_endpoint_by_name_is_found_later_and_past_the_tunnel() {
    let world = World::new();
    let mut dhcp = world.dhcp_server();
    let (here, there) = (keys(), keys());
    other_end(&world, &there, &here);
    let named = peer(&there, "vpn.example.com:51820", r#""0.0.0.0/0""#);
    let _agent = start(&world, &tunnel(&here, &named));
    world.await_report("a name that can't be found", |report| {
        problems(report).contains("vpn.example.com")
    });
    dhcp.signal(Signal::SIGTERM);
    let _dhcp = world.dnsmasq(&[
        "--dhcp-range=10.77.0.100,10.77.0.150,300",
        "--address=/vpn.example.com/10.77.0.1",
    ]);
    world.await_report("a name that is found", |report| problems(report).is_empty());
    assert!(ping(&world.device, "wg0", "10.10.0.1", 30), "{}", log(&world));
}

#[test]
fn a_peer_that_does_not_answer_is_named_until_it_does() {
    let world = World::new();
    let _dhcp = world.dhcp_server();
    let (here, there, stranger) = (keys(), keys(), keys());
    other_end(&world, &there, &stranger);
    let _agent = start(&world, &tunnel(&here, &peer(&there, ENDPOINT, r#""0.0.0.0/0""#)));
    let report = world.await_report("a silent peer", |report| {
        problems(report).contains("does not answer")
    });
    assert!(problems(&report).contains("office"), "{}", problems(&report));
    // Meanwhile the device goes on as before.
    assert_eq!(world.ip_json("route get 198.51.100.1")[0]["dev"], "eth0");
    allow(&world, &here);
    world.await_report("an answer", |report| problems(report).is_empty());
}
