//! Computers at the ends of cables, each in a namespace of its own.

use std::fs::File;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use socket2::{Domain, Socket, Type};

use crate::world::{World, ip};

/// Long enough for an answer on a busy machine, over several tries of the kernel.
const ANSWER: Duration = Duration::from_secs(15);

/// A computer at the end of a cable, in a namespace of its own.
pub struct Computer {
    pub namespace: String,
}

impl Computer {
    /// Takes the cable that ends at `up` and its number away from the server.
    pub fn at(world: &World, number: u32, address: &str) -> Computer {
        let computer = Computer {
            namespace: format!("{}{number}", world.server),
        };
        let (namespace, server) = (&computer.namespace, &world.server);
        ip(&format!("netns add {namespace}"));
        ip(&format!("-n {namespace} link set lo up"));
        ip(&format!("-n {server} link set up{number} netns {namespace}"));
        ip(&format!("-n {namespace} addr add {address} dev up{number}"));
        ip(&format!("-n {namespace} link set up{number} up"));
        computer
    }

    pub fn ip(&self, args: &str) {
        ip(&format!("-n {} {args}", self.namespace));
    }

    /// Whether the device answers.
    pub fn reaches(&self, from: &str, to: impl Into<IpAddr>, port: u16) -> bool {
        let from = SocketAddr::new(from.parse().unwrap(), 0);
        let to = SocketAddr::new(to.into(), port);
        inside(&self.namespace, move || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.bind(&from.into()).unwrap();
            socket.connect_timeout(&to.into(), ANSWER).is_ok()
        })
    }

    /// Returns the IPv4 addresses of the device's name, asked for from this computer.
    pub fn finds(&self, number: u32) -> String {
        self.ip(&format!("route replace 224.0.0.0/4 dev up{number}"));
        let output = Command::new("ip")
            .args(["netns", "exec", &self.namespace, "timeout", "15"])
            .args(["drill", "-p", "5353", "kitchen.local", "A", "@224.0.0.251"])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let records = text.lines().filter(|line| !line.starts_with(';'));
        let data = records.filter_map(|line| line.split_once("\tA\t"));
        data.map(|(_, address)| address).collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Computer {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "del", &self.namespace])
            .status();
    }
}

/// Does something in a namespace.
pub fn inside<T: Send + 'static>(namespace: &str, what: impl FnOnce() -> T + Send + 'static) -> T {
    let file = File::open(Path::new("/run/netns").join(namespace)).unwrap();
    let thread = std::thread::spawn(move || {
        setns(file, CloneFlags::CLONE_NEWNET).unwrap();
        what()
    });
    thread.join().unwrap()
}

/// Listens on all addresses of the device; the kernel answers. Returns the port, too.
pub fn listen(world: &World) -> (TcpListener, u16) {
    let listener = inside(&world.device, || TcpListener::bind("0.0.0.0:0").unwrap());
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}
