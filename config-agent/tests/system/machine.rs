//! A machine of its own as far as names and files go: `/etc`, `/run`, the host name, and a system bus. Everything goes
//! with the thread that made it.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use zbus::Connection;
use zbus::fdo::{DBusProxy, PropertiesProxy};
use zbus::names::InterfaceName;

const DEADLINE: Duration = Duration::from_secs(60);

const BUS: &str = r#"<busconfig>
  <type>system</type><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy>
</busconfig>"#;

pub struct Machine {
    processes: Vec<Child>,
    bus: Connection,
}

impl Machine {
    /// Runs a test on a machine as PID 1 leaves it, with the image's own language, zone and keyboard.
    pub fn run(test: impl AsyncFnOnce(&mut Machine) + Send + 'static) {
        // A thread that has left its namespaces does not come back.
        let thread = std::thread::spawn(|| {
            let dir = tempfile::tempdir().unwrap();
            isolate(dir.path());
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let mut machine = Machine::start().await;
                tokio::time::timeout(DEADLINE, test(&mut machine))
                    .await
                    .expect("the test ends in time");
            });
        });
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }

    async fn start() -> Machine {
        fs::write("/run/bus.conf", BUS).unwrap();
        let daemon = Command::new("dbus-daemon")
            .args([
                "--config-file=/run/bus.conf",
                "--nofork",
                "--nopidfile",
                "--nosyslog",
            ])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        let bus = loop {
            let connection = zbus::connection::Builder::address("unix:path=/run/dbus/system_bus_socket")
                .build()
                .await;
            match connection {
                Ok(connection) => break connection,
                Err(error) => assert!(begin.elapsed() < DEADLINE, "no bus: {error}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        Machine {
            processes: vec![daemon],
            bus,
        }
    }

    pub fn bus(&self) -> &Connection {
        &self.bus
    }

    /// Starts one of systemd's services and waits for its name on the bus.
    pub async fn service(&mut self, program: &str, name: &'static str) {
        let bus = DBusProxy::new(&self.bus).await.unwrap();
        let mut owners = bus
            .receive_name_owner_changed_with_args(&[(0, name)])
            .await
            .unwrap();
        // Clock and time zone of the kernel are no part of any namespace: timedated's first word to the kernel about the time
        // zone moves the clock of the whole host (kernel: timekeeping_warp_clock, settimeofday(2)). Without the capability
        // it can't, and goes on.
        let child = Command::new("setpriv")
            .args(["--bounding-set=-sys_time", "--inh-caps=-sys_time", "--"])
            .arg(format!("/usr/lib/systemd/{program}"))
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        self.processes.push(child);
        let owned = owners.next().await.unwrap();
        assert!(owned.args().unwrap().new_owner.is_some(), "{name}");
    }

    /// Takes a name and never answers.
    pub async fn silent(&self, name: &'static str) -> Connection {
        zbus::connection::Builder::address("unix:path=/run/dbus/system_bus_socket")
            .name(name)
            .build()
            .await
            .unwrap()
    }

    /// Returns a property of `org.freedesktop.NAME` as zbus prints it.
    pub async fn property(&self, name: &str, property: &str) -> String {
        let service = format!("org.freedesktop.{name}");
        let proxy = PropertiesProxy::builder(&self.bus)
            .destination(service.clone())
            .path(format!("/org/freedesktop/{name}"))
            .build()
            .await
            .unwrap();
        let interface = InterfaceName::try_from(service).unwrap();
        let value = proxy.get(interface, property).await.unwrap();
        value.to_string()
    }

    /// Returns which files there are and when each was written.
    pub fn changes(&self) -> Vec<(String, i64, u64)> {
        let output = Command::new("find")
            .args(["/etc", "/run/genpack"])
            .output()
            .unwrap();
        let paths = String::from_utf8(output.stdout).unwrap();
        let seen = paths.lines().map(|path| {
            let metadata = fs::symlink_metadata(path).unwrap();
            (path.to_string(), metadata.mtime_nsec(), metadata.ino())
        });
        seen.collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        for process in self.processes.iter_mut().rev() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Gives this thread, and what it starts, an `/etc`, a `/run` and a host name of its own.
fn isolate(dir: &Path) {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS).unwrap();
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), none).unwrap();
    let (etc, image) = (dir.join("etc"), Path::new("/run/genpack/system/etc"));
    for folder in [&etc, image] {
        fs::create_dir_all(folder.join("default")).unwrap();
        for (path, content) in [
            ("passwd", "root:x:0:0:root:/root:/bin/sh\n"),
            ("group", "root:x:0:\n"),
            ("shadow", "root:*::0:99999:7:::\n"),
            ("locale.conf", "LANG=de_DE.UTF-8\n"),
            ("default/keyboard", "XKBLAYOUT=\"de\"\nXKBVARIANT=\"\"\n"),
        ] {
            fs::write(folder.join(path), content).unwrap();
        }
        symlink("../usr/share/zoneinfo/Europe/Berlin", folder.join("localtime")).unwrap();
    }
    // What PID 1 writes of its own.
    fs::write(etc.join("hostname"), "test-123456\n").unwrap();
    fs::write(etc.join("machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
    mount(Some(&etc), "/etc", none, MsFlags::MS_BIND, none).unwrap();
    nix::unistd::sethostname("test-123456").unwrap();
    fs::create_dir_all("/run/dbus").unwrap();
}
