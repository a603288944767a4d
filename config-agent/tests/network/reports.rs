//! What the agent tells, and to whom.

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use genpack_spec::text::Text;

use crate::world::{Process, World, agent_program};

const STATIC: &str = r#"{"network": {"default": {"method": "static", "addresses": ["10.77.0.9/24"]}},
    "services": {"nginx.service": false, "sshd.service": true}}"#;

#[test]
fn readiness_is_told_before_any_server_answers() {
    let world = World::new();
    let (path, socket) = world.notify_socket();
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", &world.device, "env"])
        .arg(format!("NOTIFY_SOCKET={}", path.display()))
        .arg("WATCHDOG_USEC=400000")
        .arg(agent_program())
        .arg("--root")
        .arg(world.path(""))
        .stdin(Stdio::null());
    let mut agent = world.spawn(command);
    let hear = || {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert!(hear().starts_with("READY=1\n"));
    assert_eq!(hear(), "WATCHDOG=1");
    assert_eq!(world.ip_json("link show dev eth0")[0]["operstate"], "UP");
    agent.signal(nix::sys::signal::Signal::SIGTERM);
    assert!(agent.0.wait().unwrap().success());
}

#[test]
fn without_a_bus_the_network_works_and_the_card_says_what_does_not() {
    let world = World::new();
    world.settings(STATIC);
    let agent = world.agent_with_card(&["--patience", "1"]);
    let report = world.await_report("services", |report| !report.services.is_empty());
    world.await_address("10.77.0.9");
    assert_eq!(report.notices.len(), 1, "{report:?}");
    assert!(
        report.notices[0]
            .text
            .english()
            .contains("the system bus has not started")
    );
    let problems: Vec<_> = report
        .services
        .iter()
        .filter_map(|s| s.problem.as_ref().map(Text::english))
        .collect();
    assert_eq!(problems.len(), 2);
    assert!(
        problems[0].starts_with("nginx could not be turned off"),
        "{problems:?}"
    );
    assert!(
        problems[1].starts_with("sshd could not be turned on"),
        "{problems:?}"
    );

    let kmsg = world.await_file(&world.path("dev"), "line in the kernel's log", || {
        let text = fs::read_to_string(world.path("dev/kmsg")).unwrap();
        text.ends_with('\n').then_some(text)
    });
    assert_eq!(kmsg, "<4>genpack-config-agent: status written: 3 problems\n");

    // The card is a mount of the agent's own namespace.
    let card = format!(
        "/proc/{}/root{}",
        agent.pid(),
        world.run_dir().join("boot").display()
    );
    assert!(fs::exists(format!("{card}/STATUS.txt")).unwrap());
    let mounts = fs::read_to_string(format!("/proc/{}/mounts", agent.pid())).unwrap();
    let card = mounts.lines().find(|line| line.starts_with("card ")).unwrap();
    assert!(card.contains(" ro,"), "read-only again: {card}");

    assert!(fs::exists(world.path("run/issue.d/genpack.issue")).unwrap());
    assert!(fs::exists(world.path("run/agetty.reload")).unwrap());
}

#[test]
fn a_card_that_cannot_be_written_breaks_nothing() {
    let world = World::new();
    world.settings(STATIC);
    let _agent = world.agent(&["--patience", "1"]);
    world.await_file(&world.path(""), "complaint about the card", || {
        let log = fs::read_to_string(world.path("agent.log")).unwrap_or_default();
        log.contains("STATUS.txt can't be written to the card")
            .then_some(())
    });
    assert_eq!(fs::read_to_string(world.path("dev/kmsg")).unwrap(), "");
    world.await_address("10.77.0.9");
}

#[test]
fn a_bus_without_systemd_is_reported() {
    let world = World::new();
    world.settings(STATIC);
    fs::create_dir_all(world.path("run/dbus")).unwrap();
    let config = world.path("bus.conf");
    fs::write(
        &config,
        format!(
            r#"<busconfig><listen>unix:path={}</listen><auth>EXTERNAL</auth>
            <policy context="default"><allow user="*"/><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>"#,
            world.path("run/dbus/system_bus_socket").display()
        ),
    )
    .unwrap();
    let bus = Command::new("dbus-daemon")
        .args(["--nofork", "--nosyslog"])
        .arg(format!("--config-file={}", config.display()))
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let _bus = Process(bus);
    let _agent = world.agent(&["--patience", "2"]);
    let report = world.await_report("services", |report| !report.services.is_empty());
    assert!(
        report.notices[0]
            .text
            .english()
            .contains("systemd does not answer"),
        "{report:?}"
    );
    world.await_address("10.77.0.9");
}

#[test]
fn missing_settings_are_defaults_and_a_notice() {
    let world = World::new();
    fs::remove_file(world.run_dir().join("settings.json")).unwrap();
    let _server = world.dhcp_server();
    let _agent = world.agent(&[]);
    let report = world.await_report("lease", |report| {
        report.links.iter().any(|link| !link.gateways.is_empty())
    });
    assert!(
        report.notices[0].text.english().contains("defaults are used"),
        "{report:?}"
    );
}

#[test]
fn wait_online_ends_with_the_first_address_or_with_its_patience() {
    let world = World::new();
    let (took, said) = world.wait_online(1);
    assert!(took >= Duration::from_secs(1));
    assert!(said.contains("going on without one"), "{said}");
    let _agent = world.agent(&[]);
    let _server = world.dhcp_server();
    let (took, said) = world.wait_online(60);
    assert!(took < Duration::from_secs(60));
    assert_eq!(said, "");
    assert_eq!(world.addresses("4").len(), 1);
}
