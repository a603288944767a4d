//! A DHCP server that does what a test says: refuses, falls silent, sends garbage, gives leases of seconds.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use nix::sys::socket::{setsockopt, sockopt};

use crate::world::{DEADLINE, World};

pub const DISCOVER: u8 = 1;
pub const OFFER: u8 = 2;
pub const REQUEST: u8 = 3;
pub const ACK: u8 = 5;
pub const NAK: u8 = 6;

const SERVER: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);

/// What a client sent.
#[derive(Debug, Clone)]
pub struct Asked {
    pub kind: u8,
    /// The address that the client uses: set in renewals.
    pub ciaddr: Ipv4Addr,
    /// Option 50.
    pub requested: Option<Ipv4Addr>,
    /// Option 54.
    pub server: Option<Ipv4Addr>,
    raw: Vec<u8>,
}

impl Asked {
    fn read(raw: &[u8]) -> Asked {
        let option = |code: u8| {
            let mut rest = &raw[240..];
            while rest[0] != 255 {
                if rest[0] == code {
                    return Some(rest[2..2 + usize::from(rest[1])].to_vec());
                }
                rest = match rest[0] {
                    0 => &rest[1..],
                    _ => &rest[2 + usize::from(rest[1])..],
                };
            }
            None
        };
        let ip = |bytes: Vec<u8>| Ipv4Addr::from(<[u8; 4]>::try_from(bytes).unwrap());
        Asked {
            kind: option(53).unwrap()[0],
            ciaddr: ip(raw[12..16].to_vec()),
            requested: option(50).map(ip),
            server: option(54).map(ip),
            raw: raw.to_vec(),
        }
    }

    /// Asks for an address of before, of any server (RFC 2131, 4.3.2, INIT-REBOOT).
    pub fn is_confirmation(&self) -> bool {
        self.kind == REQUEST && self.ciaddr.is_unspecified() && self.server.is_none()
    }

    pub fn is_renewal(&self) -> bool {
        self.kind == REQUEST && !self.ciaddr.is_unspecified()
    }

    /// Makes the answer of this type about this address, with T1, T2 and the end of the lease in seconds.
    pub fn answer(&self, kind: u8, address: [u8; 4], times: [u32; 3]) -> Vec<u8> {
        let mut reply = self.raw[..240].to_vec();
        reply[0] = 2;
        reply[12..16].fill(0);
        if kind != NAK {
            reply[16..20].copy_from_slice(&address);
        }
        reply.extend([53, 1, kind, 54, 4]);
        reply.extend(SERVER.octets());
        if kind != NAK {
            for (code, seconds) in [(58, times[0]), (59, times[1]), (51, times[2])] {
                reply.extend([code, 4]);
                reply.extend(seconds.to_be_bytes());
            }
            reply.extend([1, 4, 255, 255, 255, 0, 3, 4]);
            reply.extend(SERVER.octets());
        }
        reply.push(255);
        reply
    }

    /// Grants the address: an offer to a discovery, a lease to a request.
    pub fn grant(&self, address: [u8; 4], times: [u32; 3]) -> Vec<u8> {
        let kind = if self.kind == DISCOVER { OFFER } else { ACK };
        self.answer(kind, address, times)
    }

    /// Things that are no answer to this, and must not be taken for one.
    pub fn garbage(&self) -> Vec<Vec<u8>> {
        let refusal = self.answer(NAK, [0; 4], [0; 3]);
        let mut other_transaction = refusal.clone();
        other_transaction[4] ^= 0x55;
        let mut other_client = refusal.clone();
        other_client[33] ^= 0x55;
        let mut endless_option = refusal[..240].to_vec();
        endless_option.extend([51, 255, 1]);
        vec![
            Vec::new(),
            vec![0xff; 1200],
            refusal[..239].to_vec(),
            other_transaction,
            other_client,
            endless_option,
            self.answer(ACK, [127, 0, 0, 1], [0, u32::MAX, 1]),
        ]
    }
}

/// A running server; it ends with the test.
pub struct Scripted {
    asked: Receiver<Asked>,
    seen: Vec<Asked>,
    stop: Arc<Mutex<bool>>,
    thread: Option<JoinHandle<()>>,
}

impl Scripted {
    /// Starts to answer what comes to the server's end of the cable with what `script` returns.
    pub fn start(world: &World, script: impl FnMut(&Asked) -> Vec<Vec<u8>> + Send + 'static) -> Scripted {
        let (sender, asked) = channel();
        let stop = Arc::new(Mutex::new(false));
        let namespace = world.server.clone();
        let stopped = stop.clone();
        let (ready, begun) = channel();
        let thread = std::thread::spawn(move || {
            let socket = open(&namespace);
            ready.send(()).unwrap();
            serve(&socket, script, &sender, &stopped);
        });
        begun.recv().unwrap();
        Scripted {
            asked,
            seen: Vec::new(),
            stop,
            thread: Some(thread),
        }
    }

    /// Waits until a client sends something of this kind.
    pub fn await_asked(&mut self, what: &str, wanted: impl Fn(&Asked) -> bool) -> Asked {
        loop {
            match self.asked.recv_timeout(DEADLINE) {
                Ok(asked) => {
                    self.seen.push(asked.clone());
                    if wanted(&asked) {
                        return asked;
                    }
                }
                Err(error) => panic!("no {what}: {error}; {:?}", self.seen),
            }
        }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        *self.stop.lock().unwrap() = true;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A namespace is a thread's own.
fn open(namespace: &str) -> UdpSocket {
    let file = std::fs::File::open(format!("/run/netns/{namespace}")).unwrap();
    setns(file, CloneFlags::CLONE_NEWNET).unwrap();
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 67)).unwrap();
    setsockopt(&socket, sockopt::BindToDevice, &"up0".into()).unwrap();
    socket.set_broadcast(true).unwrap();
    // How often the end of the test is looked for.
    socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    socket
}

fn serve(
    socket: &UdpSocket,
    mut script: impl FnMut(&Asked) -> Vec<Vec<u8>>,
    sender: &Sender<Asked>,
    stop: &Mutex<bool>,
) {
    let everybody = SocketAddr::from((Ipv4Addr::BROADCAST, 68));
    let mut buffer = [0; 1500];
    while !*stop.lock().unwrap() {
        let Ok(length) = socket.recv(&mut buffer) else {
            continue;
        };
        let asked = Asked::read(&buffer[..length]);
        for reply in script(&asked) {
            socket.send_to(&reply, everybody).unwrap();
        }
        let _ = sender.send(asked);
    }
}
