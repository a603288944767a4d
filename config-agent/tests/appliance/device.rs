//! A world with a bus, a card, and the command `genpack-config`.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::world::{Process, World};

/// What the card has at first, and what PID 1 made of it.
pub const OLD: &str = "# mine\r\n[network]\r\naddress = 10.77.0.9/24\r\n";
pub const OLD_ADDRESS: &str = "10.77.0.9/24";
const OLD_SETTINGS: &str = r#"{"network": {"default": {"method": "static", "addresses": ["10.77.0.9/24"]}}}"#;
pub const NEW: &str = "[network]\naddress = 10.77.0.10/24\n";
pub const NEW_ADDRESS: &str = "10.77.0.10/24";
/// The number of the group `genpack` on the bus; and of one that has no meaning.
pub const GROUP: u32 = 64_321;
pub const NOBODY: u32 = 65_534;

pub struct Device {
    /// Dropped in this order: the agent, the bus, the card, the world.
    agent: Option<Process>,
    bus: Option<Process>,
    card: Mounted,
    /// How often the agent must have been on the bus by now.
    names: usize,
    pub world: World,
}

struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        run("umount", &["-l", &self.0.display().to_string()]);
    }
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} {arguments:?}");
}

impl Device {
    /// Starts everything; the agent has its name on the bus when this returns.
    pub fn start() -> Device {
        Device::with_card(|card| fs::write(card.join("system.ini"), OLD).unwrap())
    }

    /// Does the same with another card.
    pub fn with_card(fill: impl FnOnce(&Path)) -> Device {
        Device::make("apply", fill)
    }

    /// Does the same with an image that wants this of a card that changes.
    pub fn with_reaction(reaction: &str) -> Device {
        Device::make(reaction, |card| fs::write(card.join("system.ini"), OLD).unwrap())
    }

    fn make(reaction: &str, fill: impl FnOnce(&Path)) -> Device {
        let world = World::new();
        fs::set_permissions(world.path(""), fs::Permissions::from_mode(0o755)).unwrap();
        world.settings(OLD_SETTINGS);
        let report = world.run_dir().join("report.json");
        let text = fs::read_to_string(&report).unwrap().replace(
            r#"{"state": "missing"}"#,
            r#"{"state": "read", "name": "system.ini"}"#,
        );
        let from = format!(r#""epoch": 0, "settings_from": {{"card": "{reaction}"}}"#);
        let text = text.replace(r#""epoch": 0"#, &from);
        fs::write(report, text).unwrap();
        fs::write(world.run_dir().join("system.ini"), OLD).unwrap();
        let card = world.run_dir().join("boot");
        fs::create_dir_all(&card).unwrap();
        let name = card.display().to_string();
        run(
            "mount",
            &["-t", "tmpfs", "-o", "nosuid,nodev,noexec", "card", &name],
        );
        let card = Mounted(card);
        fill(&card.0);
        run("mount", &["-o", "remount,ro", &name]);
        symlink(
            env!("CARGO_BIN_EXE_genpack-config-agent"),
            world.path("genpack-config"),
        )
        .unwrap();
        let mut device = Device {
            agent: None,
            bus: None,
            card,
            names: 0,
            world,
        };
        device.start_bus();
        device.start_agent();
        // It is used only once nobody else on the wire has it.
        device.await_address(OLD_ADDRESS);
        device
    }

    fn socket(&self) -> PathBuf {
        self.world.path("run/dbus/system_bus_socket")
    }

    /// Starts a bus with the policy that the image brings, and Debian's own rule that nothing is allowed which no policy
    /// allows. It takes the group's number from a file of groups of its own.
    fn start_bus(&mut self) {
        self.bus = None;
        let _ = fs::remove_file(self.socket());
        fs::create_dir_all(self.world.path("run/dbus")).unwrap();
        let policy = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../rootfs-overlay/usr/share/dbus-1/system.d/org.genpack.Appliance1.conf"
        );
        let config = self.world.path("bus.conf");
        fs::write(
            &config,
            format!(
                r#"<busconfig><type>system</type><listen>unix:path={}</listen><auth>EXTERNAL</auth>
                <policy context="default"><allow user="*"/><deny own="*"/><deny send_type="method_call"/>
                <allow send_type="signal"/><allow send_requested_reply="true" send_type="method_return"/>
                <allow send_requested_reply="true" send_type="error"/><allow receive_type="method_call"/>
                <allow receive_type="method_return"/><allow receive_type="error"/><allow receive_type="signal"/>
                <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/></policy>
                <include>{policy}</include></busconfig>"#,
                self.socket().display()
            ),
        )
        .unwrap();
        let groups = self.world.path("group");
        let all = fs::read_to_string("/etc/group").unwrap();
        fs::write(&groups, format!("{all}\ngenpack:x:{GROUP}:\n")).unwrap();
        let bus = Command::new("unshare")
            .args(["--mount", "sh", "-c"])
            .arg(r#"mount --bind "$1" /etc/group && exec dbus-daemon --nofork --nosyslog --config-file="$2""#)
            .args(["sh".as_ref(), groups.as_os_str(), config.as_os_str()])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.bus = Some(Process(bus));
        let socket = self.socket();
        self.world.await_file(&self.world.path("run/dbus"), "bus", || {
            socket.exists().then_some(())
        });
    }

    pub fn start_agent(&mut self) {
        self.agent = Some(self.world.agent(&["--patience", "1"]));
        self.await_name();
    }

    /// Ends the bus and starts another; the agent has its name there when this returns.
    pub fn restart_bus(&mut self) {
        self.start_bus();
        self.await_name();
    }

    /// Waits until the agent has said once more that it is on the bus.
    fn await_name(&mut self) {
        self.names += 1;
        self.world
            .await_file(&self.world.path(""), "name on the bus", || {
                let count = self.log().matches("org.genpack.Appliance1 is on the bus").count();
                (count >= self.names).then_some(())
            });
    }

    pub fn agent_pid(&self) -> u32 {
        self.agent.as_ref().unwrap().pid()
    }

    /// Ends the agent as a crash does.
    pub fn kill_agent(&mut self) {
        let mut agent = self.agent.take().unwrap();
        agent.signal(nix::sys::signal::Signal::SIGKILL);
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.world.path("agent.log")).unwrap_or_default()
    }

    pub fn await_log(&self, words: &str) {
        self.world.await_file(&self.world.path(""), words, || {
            self.log().contains(words).then_some(())
        });
    }

    pub fn await_address(&self, address: &str) {
        let wanted = address.to_string();
        self.world.await_report(address, |report| {
            let addresses = report.links.iter().flat_map(|link| &link.addresses);
            addresses
                .map(|one| one.address.to_string())
                .any(|one| one == wanted)
        });
        assert_eq!(self.world.addresses("4"), [address]);
    }

    /// Returns a file of the card.
    pub fn on_card(&self, path: &str) -> Option<String> {
        fs::read_to_string(self.card.0.join(path)).ok()
    }

    /// Whether nothing on the card speaks of a trial.
    pub fn is_settled(&self) -> bool {
        self.on_card("boot/state/pending.json").is_none() && self.on_card("boot/state/previous.ini").is_none()
    }

    /// Writes a file as somebody does who is logged in.
    pub fn edit_card(&self, path: &str, text: &str) {
        let card = self.card.0.display().to_string();
        let end = std::time::Instant::now() + crate::world::DEADLINE;
        loop {
            run("mount", &["-o", "remount,rw", &card]);
            match fs::write(self.card.0.join(path), text) {
                // The agent has just ended a write of its own, and with it made the card read-only.
                Err(error) if error.kind() == std::io::ErrorKind::ReadOnlyFilesystem => {
                    assert!(std::time::Instant::now() < end, "{error}");
                }
                written => break written.unwrap(),
            }
        }
        // Busy while the agent writes, which makes it read-only itself in the end.
        let _ = Command::new("mount")
            .args(["-o", "remount,ro", &card])
            .stderr(Stdio::null())
            .status();
    }

    /// Waits until STATUS.txt says something; returns it without its line ends.
    pub fn await_status(&self, words: &str) -> String {
        self.world.await_file(&self.card.0, words, || {
            let text = self.on_card("STATUS.txt").unwrap_or_default();
            let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
            flat.contains(words).then_some(flat)
        })
    }

    fn prepared(&self, mut command: Command) -> Command {
        let address = format!("unix:path={}", self.socket().display());
        command
            .env("DBUS_SYSTEM_BUS_ADDRESS", address)
            .stdin(Stdio::null());
        command
    }

    /// Runs `genpack-config` as root.
    pub fn command(&self, arguments: &[&str]) -> Output {
        let mut command = self.prepared(Command::new(self.world.path("genpack-config")));
        command.args(arguments).output().unwrap()
    }

    /// Runs it for somebody who reads nothing of what it prints.
    pub fn command_unread(&self, arguments: &[&str]) -> Output {
        let mut command = self.prepared(Command::new(self.world.path("genpack-config")));
        let (_, unread) = std::io::pipe().unwrap();
        command.args(arguments).stdout(unread).output().unwrap()
    }

    /// Runs it as another user with one more group.
    pub fn command_as(&self, user: u32, group: u32, arguments: &[&str]) -> Output {
        let mut command = self.prepared(Command::new("setpriv"));
        command
            .args([
                format!("--reuid={user}"),
                format!("--regid={user}"),
                format!("--groups={group}"),
            ])
            .arg(self.world.path("genpack-config"))
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Writes a text where every user can read it, and returns its path.
    pub fn file(&self, text: impl AsRef<[u8]>) -> String {
        let path = self.world.path("given.ini");
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Applies a text; returns what the command said.
    pub fn apply(&self, text: &str, seconds: u32) -> (i32, String) {
        let file = self.file(text);
        said(self.command(&["apply", &file, "--revert-after", &seconds.to_string()]))
    }
}

/// Returns the exit status and all that was said.
pub fn said(output: Output) -> (i32, String) {
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8(text).unwrap(),
    )
}
