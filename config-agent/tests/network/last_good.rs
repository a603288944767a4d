//! When the settings of a start are kept as the last good ones.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use zbus::interface;
use zbus::object_server::SignalEmitter;

use crate::world::{Process, World};

const INI: &[u8] = b"[network]\r\naddress = 10.77.0.9/24 ; mine\r\ngateway = 10.77.0.1\r\n";
const SETTINGS: &str = r#"{"network": {"default": {"method": "static", "addresses": ["10.77.0.9/24"],
    "gateways": ["10.77.0.1"]}}}"#;

/// As much of systemd as the agent asks when nothing is to be done about services.
struct Systemd {
    finished: u64,
}

#[interface(name = "org.freedesktop.systemd1.Manager")]
impl Systemd {
    fn subscribe(&self) {}

    #[allow(clippy::type_complexity)]
    fn list_units_filtered(
        &self,
        _states: Vec<String>,
    ) -> Vec<(
        String,
        String,
        String,
        String,
        String,
        String,
        zbus::OwnedObjectPath,
        u32,
        String,
        zbus::OwnedObjectPath,
    )> {
        Vec::new()
    }

    #[zbus(property)]
    fn finish_timestamp_monotonic(&self) -> u64 {
        self.finished
    }

    #[zbus(signal)]
    #[allow(clippy::too_many_arguments)]
    async fn startup_finished(
        emitter: &SignalEmitter<'_>,
        firmware: u64,
        loader: u64,
        kernel: u64,
        initrd: u64,
        userspace: u64,
        total: u64,
    ) -> zbus::Result<()>;
}

/// A system bus with a systemd on it that has started the machine.
struct Bus {
    _daemon: Process,
    _systemd: zbus::Connection,
    _runtime: tokio::runtime::Runtime,
}

impl Bus {
    fn start(world: &World) -> Bus {
        fs::create_dir_all(world.path("run/dbus")).unwrap();
        let socket = world.path("run/dbus/system_bus_socket");
        let config = world.path("bus.conf");
        fs::write(
            &config,
            format!(
                r#"<busconfig><listen>unix:path={}</listen><auth>EXTERNAL</auth>
                <policy context="default"><allow user="*"/><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>"#,
                socket.display()
            ),
        )
        .unwrap();
        let daemon = Command::new("dbus-daemon")
            .args(["--nofork", "--nosyslog"])
            .arg(format!("--config-file={}", config.display()))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let daemon = Process(daemon);
        world.await_file(&world.path("run/dbus"), "bus", || socket.exists().then_some(()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let systemd = runtime
            .block_on(async {
                zbus::connection::Builder::address(format!("unix:path={}", socket.display()).as_str())
                    .name("org.freedesktop.systemd1")
                    .serve_at("/org/freedesktop/systemd1", Systemd { finished: 1 })
                    .build()
                    .await
            })
            .unwrap();
        Bus {
            _daemon: daemon,
            _systemd: systemd,
            _runtime: runtime,
        }
    }
}

/// Leaves the file as PID 1 does, which has read it.
fn file(world: &World, diagnostics: &str) {
    fs::write(world.run_dir().join("system.ini"), INI).unwrap();
    let path = world.run_dir().join("report.json");
    let report = fs::read_to_string(&path)
        .unwrap()
        .replace(
            r#"{"state": "missing"}"#,
            r#"{"state": "read", "name": "system.ini"}"#,
        )
        .replace(
            r#""diagnostics": []"#,
            &format!(r#""diagnostics": [{diagnostics}]"#),
        );
    fs::write(path, report).unwrap();
}

/// Where the agent's card has the file; the card is a mount of the agent's own.
fn on_card(world: &World, agent: &Process) -> PathBuf {
    let card = world.run_dir().join("boot/boot/state/last-good.ini");
    format!("/proc/{}/root{}", agent.pid(), card.display()).into()
}

fn await_log(world: &World, words: &str) {
    world.await_file(&world.path(""), words, || {
        let log = fs::read_to_string(world.path("agent.log")).unwrap_or_default();
        log.contains(words).then_some(())
    });
}

#[test]
fn settings_with_which_the_gateway_answers_are_kept_as_they_were() {
    let world = World::new();
    let _bus = Bus::start(&world);
    world.settings(SETTINGS);
    file(&world, "");
    let agent = world.agent_with_card(&["--patience", "1"]);
    await_log(&world, "the settings are kept as boot/state/last-good.ini");
    assert_eq!(fs::read(on_card(&world, &agent)).unwrap(), INI);
    let neighbours = world.ip_json("neigh show 10.77.0.1 dev eth0");
    assert_eq!(neighbours[0]["dst"], "10.77.0.1", "{neighbours}");
    let mounts = fs::read_to_string(format!("/proc/{}/mounts", agent.pid())).unwrap();
    let card = mounts.lines().find(|line| line.starts_with("card ")).unwrap();
    assert!(card.contains(" ro,"), "read-only again: {card}");
}

#[test]
fn settings_with_a_gateway_that_is_not_there_are_not_kept() {
    let world = World::new();
    let _bus = Bus::start(&world);
    world.settings(&SETTINGS.replace("10.77.0.1\"", "10.77.0.3\""));
    file(&world, "");
    let agent = world.agent_with_card(&["--patience", "1"]);
    await_log(&world, "the gateway 10.77.0.3 does not answer");
    assert!(!on_card(&world, &agent).exists());

    // It comes, and the change in the network ends the pause.
    let server = &world.server;
    crate::world::ip(&format!("-n {server} addr add 10.77.0.3/24 dev up0"));
    crate::world::ip(&format!("-n {} addr add 10.77.0.10/24 dev eth0", world.device));
    await_log(&world, "the settings are kept as boot/state/last-good.ini");
    assert_eq!(fs::read(on_card(&world, &agent)).unwrap(), INI);
}

#[test]
fn settings_with_a_mistake_about_the_network_are_not_kept() {
    let world = World::new();
    let _bus = Bus::start(&world);
    world.settings(SETTINGS);
    let mistake = r#"{"line": 2, "column": 1, "section": "network", "key": "dns", "severity": "error",
        "problem": {"phrase": "x"}, "used": null, "hint": null, "text": null}"#;
    file(&world, mistake);
    let agent = world.agent_with_card(&["--patience", "1"]);
    // What the check would have waited for is there, and the answer on the card is written without it.
    world.await_report("address", |report| {
        report.started && report.links.iter().any(|link| !link.addresses.is_empty())
    });
    world.await_file(&world.path("dev"), "line in the kernel's log", || {
        let text = fs::read_to_string(world.path("dev/kmsg")).unwrap();
        text.ends_with('\n').then_some(())
    });
    assert!(!on_card(&world, &agent).exists());
    let log = fs::read_to_string(world.path("agent.log")).unwrap();
    assert!(!log.contains("the gateway 10.77.0.1"), "{log}");
}
