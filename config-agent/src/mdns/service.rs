//! The responder at work: its sockets, its clock, and its line to the agent.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::task::Poll;
use std::time::Duration;

use genpack_spec::report::LocalName;
use tokio::io::ReadBuf;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::Wanted;
use super::responder::Responder;
use super::socket::Sockets;
use super::wire::MESSAGE_LIMIT;

/// Saying farewell takes no longer.
const FAREWELL: Duration = Duration::from_millis(500);

/// The running responder.
pub struct Service {
    wanted: watch::Sender<Wanted>,
    name: watch::Receiver<Option<LocalName>>,
    task: JoinHandle<()>,
}

impl Service {
    /// Starts it, with nothing to serve. Must be called within the runtime.
    pub fn start() -> Service {
        let (wanted, wanted_now) = watch::channel(Wanted::default());
        let (name_now, name) = watch::channel(None);
        Service {
            wanted,
            name,
            task: tokio::spawn(run(wanted_now, name_now)),
        }
    }

    /// Serves this from now on.
    pub fn update(&self, wanted: Wanted) {
        self.wanted.send_if_modified(|now| {
            let news = *now != wanted;
            *now = wanted;
            news
        });
    }

    /// Waits until the name under which the device is found is another. Safe to cancel.
    pub async fn changed(&mut self) {
        if self.name.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns the name under which the device is found; none while there is none.
    pub fn name(&self) -> Option<LocalName> {
        self.name.borrow().clone()
    }

    /// Takes back what has been said, and ends.
    pub async fn stop(self) {
        drop(self.wanted);
        if tokio::time::timeout(FAREWELL, self.task).await.is_err() {
            log::warn!("The responder for names does not end");
        }
    }
}

async fn run(mut wanted: watch::Receiver<Wanted>, name: watch::Sender<Option<LocalName>>) {
    let mut responder = Responder::new();
    let mut sockets: BTreeMap<u32, Sockets> = BTreeMap::new();
    let mut buffer = vec![0; MESSAGE_LIMIT];
    loop {
        let due = responder.deadline();
        tokio::select! {
            changed = wanted.changed() => {
                if changed.is_err() {
                    responder.leave(now());
                    send(&mut responder, &sockets);
                    return;
                }
                let wanted = wanted.borrow_and_update().clone();
                responder.set(&wanted, now());
                // What is taken back goes out before its socket closes.
                send(&mut responder, &sockets);
                sockets.retain(|index, _| wanted.ports.iter().any(|wire| wire.index == *index));
                for wire in &wanted.ports {
                    let open = sockets.entry(wire.index).or_insert_with(|| Sockets::open(wire));
                    open.complete(wire);
                }
            }
            (index, from, length) = receive(&sockets, &mut buffer) => {
                responder.receive(index, from, &buffer[..length], now());
            }
            () = at(due) => responder.tick(now()),
        }
        send(&mut responder, &sockets);
        name.send_if_modified(|said| {
            let found = responder.local_name();
            let news = *said != found;
            *said = found;
            news
        });
    }
}

fn now() -> std::time::Instant {
    Instant::now().into_std()
}

async fn at(due: Option<std::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}

fn send(responder: &mut Responder, sockets: &BTreeMap<u32, Sockets>) {
    for packet in responder.outbox() {
        if let Some(sockets) = sockets.get(&packet.index) {
            sockets.send(packet.to, &packet.bytes);
        }
    }
}

/// Waits for a message on any port. Safe to cancel.
async fn receive(sockets: &BTreeMap<u32, Sockets>, buffer: &mut [u8]) -> (u32, SocketAddr, usize) {
    poll_fn(|context| {
        for (index, sockets) in sockets {
            let mut buffer = ReadBuf::new(buffer);
            if let Poll::Ready(from) = sockets.poll_receive(context, &mut buffer) {
                return Poll::Ready((*index, from, buffer.filled().len()));
            }
        }
        Poll::Pending
    })
    .await
}
