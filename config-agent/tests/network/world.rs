//! One test's world: a namespace with the agent's port `eth0`, a namespace with the other end of the cable, and a
//! directory that stands for `/`. Everything goes when it is dropped.

use std::fs::{self, File};
use std::net::Shutdown;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use genpack_spec::report::RunReport;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::os::fd::AsFd;

/// No single wait takes longer than this.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub struct World {
    pub device: String,
    pub server: String,
    dir: tempfile::TempDir,
}

/// A child that is ended with the test.
pub struct Process(pub Child);

impl Process {
    pub fn signal(&mut self, signal: Signal) {
        kill(Pid::from_raw(self.0.id() as i32), signal).unwrap();
        let begin = Instant::now();
        while self.0.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < DEADLINE, "the process does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The agent; elsewhere than on the machine that built it, the environment says where it is.
pub fn agent_program() -> PathBuf {
    let given = std::env::var_os("GENPACK_CONFIG_AGENT");
    given.map_or(env!("CARGO_BIN_EXE_genpack-config-agent").into(), PathBuf::from)
}

pub fn ip(args: &str) {
    let status = Command::new("ip").args(args.split_whitespace()).status().unwrap();
    assert!(status.success(), "ip {args}");
}

impl World {
    /// Makes the two namespaces, joined by a cable; the server's end is up and has 10.77.0.1/24 and fd77::1/64.
    pub fn new() -> World {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let id = format!(
            "gpa{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let world = World {
            device: format!("{id}d"),
            server: format!("{id}s"),
            dir: tempfile::tempdir().unwrap(),
        };
        for name in [&world.device, &world.server] {
            ip(&format!("netns add {name}"));
            ip(&format!("-n {name} link set lo up"));
        }
        world.plug();
        fs::create_dir_all(world.run_dir()).unwrap();
        fs::create_dir_all(world.path("dev")).unwrap();
        File::create(world.path("dev/kmsg")).unwrap();
        world.boot_report();
        world.settings("{}");
        world
    }

    /// Makes the port and the other end of its cable.
    pub fn plug(&self) {
        let (device, server) = (&self.device, &self.server);
        ip(&format!(
            "link add eth0 netns {device} address 02:00:00:00:77:02 type veth peer name up0 netns {server}"
        ));
        ip(&format!("-n {server} addr add 10.77.0.1/24 dev up0"));
        ip(&format!("-n {server} addr add fd77::1/64 dev up0 nodad"));
        ip(&format!("-n {server} link set up0 up"));
    }

    /// Makes a further port, `eth` and its number, whose cable ends at `up` and its number in the server's namespace.
    pub fn cable(&self, number: u32) {
        let (device, server) = (&self.device, &self.server);
        ip(&format!(
            "link add eth{number} netns {device} address 02:00:00:00:78:{number:02x} type veth peer name up{number} netns {server}"
        ));
        ip(&format!("-n {server} link set up{number} up"));
    }

    /// Makes a bridge `lan` of so many cables in the server's namespace, which takes the place of `up0`.
    pub fn switch(&self, ports: u32) {
        let server = &self.server;
        ip(&format!("-n {server} addr flush dev up0"));
        ip(&format!("-n {server} link add lan type bridge forward_delay 0"));
        ip(&format!("-n {server} addr add 10.77.0.1/16 dev lan"));
        ip(&format!("-n {server} link set lan up"));
        for number in 0..ports {
            if number > 0 {
                self.cable(number);
            }
            ip(&format!("-n {server} link set up{number} master lan"));
        }
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    pub fn run_dir(&self) -> PathBuf {
        self.path("run/genpack")
    }

    pub fn settings(&self, json: &str) {
        fs::write(self.run_dir().join("settings.json"), json).unwrap();
    }

    fn boot_report(&self) {
        let json = r#"{"image": {"name": "test", "profile": "kvm", "base": "debian:trixie", "kernel": "6.12", "epoch": 0},
            "slot": "a", "hostname": "kitchen", "timezone": "UTC", "file": {"state": "missing"}, "diagnostics": [],
            "notices": [], "timings": []}"#;
        fs::write(self.run_dir().join("report.json"), json).unwrap();
    }

    /// Starts dnsmasq on the server's end; what it says is in the file `dnsmasq.log`.
    pub fn dnsmasq(&self, args: &[&str]) -> Process {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("dnsmasq.log"))
            .unwrap();
        let child = Command::new("ip")
            .args([
                "netns",
                "exec",
                &self.server,
                "dnsmasq",
                "--keep-in-foreground",
                "--conf-file=/dev/null",
            ])
            .args([
                "--no-resolv",
                "--no-hosts",
                "--interface=up0",
                "--interface=lan",
                "--except-interface=lo",
                "--bind-dynamic",
                "--no-ping",
            ])
            .args(["--user=root", "--log-facility=-", "--log-dhcp", "--pid-file="])
            .arg(format!(
                "--dhcp-leasefile={}",
                self.path("dnsmasq.leases").display()
            ))
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Process(child)
    }

    /// Starts dnsmasq with the usual range, router and name server.
    pub fn dhcp_server(&self) -> Process {
        self.dnsmasq(&["--dhcp-range=10.77.0.100,10.77.0.150,300", "--domain=test.lan"])
    }

    /// The same on [`World::switch`] with so much room that no two clients who ask at once are offered the same address.
    pub fn large_dhcp_server(&self) -> Process {
        self.dnsmasq(&["--dhcp-range=10.77.16.0,10.77.31.255,300"])
    }

    fn agent_command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.device])
            .arg(agent_program())
            .args(args)
            .arg("--root")
            .arg(self.dir.path())
            .stdin(Stdio::null());
        command
    }

    /// Starts the agent; what it says is in the file `agent.log`.
    pub fn agent(&self, args: &[&str]) -> Process {
        self.spawn(self.agent_command(args))
    }

    pub fn spawn(&self, mut command: Command) -> Process {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path("agent.log"))
            .unwrap();
        Process(command.stderr(log).spawn().unwrap())
    }

    /// Starts the agent with a card: a tmpfs that only the agent sees, mounted read-only, with what is in the folder `card`.
    pub fn agent_with_card(&self, args: &[&str]) -> Process {
        let card = self.run_dir().join("boot");
        fs::create_dir_all(&card).unwrap();
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.device, "sh", "-c"])
            .arg(r#"mount -t tmpfs -o nosuid,nodev,noexec card "$1" && { [ ! -d "$2" ] || cp -r "$2/." "$1"; } &&
                mount -o remount,ro,nosuid,nodev,noexec "$1" && shift 2 && exec "$@""#)
            .args(["sh".as_ref(), card.as_os_str(), self.path("card").as_os_str()])
            .arg(agent_program())
            .args(args)
            .arg("--root")
            .arg(self.dir.path())
            .stdin(Stdio::null());
        self.spawn(command)
    }

    /// Waits until a file is on the card of an agent, and returns it. The agent's mounts tell no inotify here.
    pub fn await_card(&self, folder: &str, name: &str, agent: &Process) -> String {
        let path = Path::new(folder).join(name);
        let begin = Instant::now();
        loop {
            if let Ok(text) = fs::read_to_string(&path) {
                return text;
            }
            assert!(begin.elapsed() < DEADLINE, "no {name} of {} in time", agent.pid());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs `wait-online` and returns how long it took and what it said.
    pub fn wait_online(&self, timeout: u64) -> (Duration, String) {
        let begin = Instant::now();
        let timeout = timeout.to_string();
        let output = self
            .agent_command(&["wait-online", "--timeout", &timeout])
            .output()
            .unwrap();
        assert!(output.status.success());
        (begin.elapsed(), String::from_utf8(output.stdout).unwrap())
    }

    /// Waits until the agent's report is as wanted, and returns it.
    pub fn await_report(&self, what: &str, wanted: impl Fn(&RunReport) -> bool) -> RunReport {
        let mut last = None;
        self.await_file(&self.run_dir(), what, || {
            let text = fs::read_to_string(self.run_dir().join("run-report.json")).ok()?;
            let report: RunReport = serde_json::from_str(&text).unwrap();
            last = Some(report.clone());
            wanted(&report).then_some(report)
        })
    }

    /// Waits until the agent reports an address of the port, without its prefix length.
    pub fn await_address(&self, address: &str) -> RunReport {
        let address: std::net::IpAddr = address.parse().unwrap();
        self.await_report(&format!("address {address}"), |report| {
            let mut addresses = report.links.iter().flat_map(|link| &link.addresses);
            addresses.any(|found| found.address.addr() == address)
        })
    }

    /// Waits until `look` finds something, looking again whenever a file in `folder` changes.
    pub fn await_file<T>(&self, folder: &Path, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let inotify = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).unwrap();
        let flags = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE;
        inotify.add_watch(folder, flags).unwrap();
        let end = Instant::now() + DEADLINE;
        loop {
            if let Some(found) = look() {
                return found;
            }
            let left = end.saturating_duration_since(Instant::now());
            let mut fds = [PollFd::new(inotify.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(left).unwrap();
            if poll(&mut fds, timeout).unwrap() == 0 {
                let read = |name| fs::read_to_string(self.path(name)).unwrap_or_default();
                panic!(
                    "no {what} in time\n--- agent\n{}--- report\n{}\n--- dnsmasq\n{}",
                    read("agent.log"),
                    read("run/genpack/run-report.json"),
                    read("dnsmasq.log")
                );
            }
            inotify.read_events().unwrap();
        }
    }

    /// Waits until dnsmasq has said something `count` times.
    pub fn await_dnsmasq(&self, what: &str, count: usize) {
        let log = self.path("dnsmasq.log");
        self.await_file(self.dir.path(), what, || {
            let text = fs::read_to_string(&log).unwrap_or_default();
            (text.matches(what).count() >= count).then_some(())
        });
    }

    /// Returns what `ip -j` says of the first IPv4 address of `eth0` beside the rescue address, which may stand before it.
    pub fn ipv4_info(&self) -> Value {
        let shown = self.ip_json("-4 addr show dev eth0");
        let mut infos = shown[0]["addr_info"].as_array().unwrap().iter();
        infos.find(|info| info["scope"] == "global").unwrap().clone()
    }

    /// Returns the agent's rules of IPv4, as `ip -j` has them.
    pub fn own_rules(&self) -> Vec<Value> {
        let mut rules = self.ip_json("-4 rule show");
        let rules = std::mem::take(rules.as_array_mut().unwrap()).into_iter();
        rules.filter(|rule| rule["protocol"] == "98").collect()
    }

    /// Returns what `ip -j` prints in the device's namespace.
    pub fn ip_json(&self, args: &str) -> Value {
        let output = Command::new("ip")
            .args(["-n", &self.device, "-j"])
            .args(args.split_whitespace())
            .output()
            .unwrap();
        assert!(output.status.success(), "ip {args}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
    }

    /// Returns the addresses of the device's port, of one family, with their prefix lengths; without the rescue address.
    pub fn addresses(&self, family: &str) -> Vec<String> {
        self.addresses_of("eth0", family)
    }

    /// Returns the addresses of one of the device's links, without its rescue address.
    pub fn addresses_of(&self, link: &str, family: &str) -> Vec<String> {
        let mut addresses = self.all_addresses_of(link, family);
        addresses.retain(|address| !address.starts_with("169.254."));
        addresses
    }

    /// The same with the rescue address.
    pub fn all_addresses_of(&self, link: &str, family: &str) -> Vec<String> {
        let links = self.ip_json(&format!("-{family} addr show dev {link}"));
        links[0]["addr_info"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|address| format!("{}/{}", address["local"].as_str().unwrap(), address["prefixlen"]))
            .collect()
    }

    /// Returns the default routes of the device, as `(gateway, protocol, metric)`.
    pub fn default_routes(&self, family: &str) -> Vec<(String, String, u64)> {
        let routes = self.ip_json(&format!("-{family} route show default"));
        routes
            .as_array()
            .into_iter()
            .flatten()
            .map(|route| {
                (
                    route["gateway"].as_str().unwrap_or_default().to_string(),
                    route["protocol"].as_str().unwrap_or_default().to_string(),
                    route["metric"].as_u64().unwrap_or_default(),
                )
            })
            .collect()
    }

    /// Listens for what systemd would hear; pass the path on as `NOTIFY_SOCKET`.
    pub fn notify_socket(&self) -> (PathBuf, UnixDatagram) {
        let path = self.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        (path, socket)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for name in [&self.device, &self.server] {
            let _ = Command::new("ip").args(["netns", "del", name]).status();
        }
    }
}
