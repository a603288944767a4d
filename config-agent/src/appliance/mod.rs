//! Settings that change while the device runs: over D-Bus, on the card, from a stick; tried before they are kept.
//!
//! [`Changer`] is a task of its own, so that a slow card holds nothing up. What it decides comes to the agent's loop as an
//! [`Order`]; what the loop finds comes to the bus as a [`Snapshot`].

mod adoption;
mod bus;
mod card_watch;
mod changer;
mod follower;
mod reader;
mod refusal;
mod run_state;
mod stick;

use std::sync::Arc;
use std::time::Duration;

use genpack_spec::report::{BootReport, Notice, RunReport};
use genpack_spec::settings::Settings;
use tokio::sync::{mpsc, oneshot, watch};

pub use adoption::Adoption;
pub use changer::Changer;
pub use reader::Reader;

use crate::Paths;
use crate::system::Outcome;

/// The bus name, and the interface of the same name.
pub const NAME: &str = "org.genpack.Appliance1";
/// The only object.
pub const PATH: &str = "/org/genpack/Appliance1";
/// The group whose members may do all that the interface offers.
pub const GROUP: &str = "genpack";

/// What the agent's loop is to do.
#[derive(Debug)]
pub enum Order {
    /// These settings hold from now on; to be told when the network has been set up so.
    Adopt(Box<Adoption>, oneshot::Sender<()>),
    /// The rest of the system has followed the settings.
    Followed(Outcome),
    /// There is this to say about the file, and nothing else changes.
    Tell(Vec<Notice>),
}

/// What is true of the device now.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The settings in effect.
    pub settings: Settings,
    /// What became of the file.
    pub boot: BootReport,
    /// What the agent found.
    pub run: RunReport,
}

/// The loop's ends of the ways between it and this module.
pub struct Appliance {
    /// What to do.
    pub orders: mpsc::UnboundedReceiver<Order>,
    /// What to tell.
    pub snapshots: watch::Sender<Arc<Snapshot>>,
}

/// Starts what serves the bus and changes the settings. `patience` is how long an address may be missing before that is
/// reported. Call within the runtime.
pub fn start(paths: &Paths, snapshot: Snapshot, patience: Duration) -> Appliance {
    let (order_sender, orders) = mpsc::unbounded_channel();
    let (snapshots, snapshot_receiver) = watch::channel(Arc::new(snapshot));
    let (request_sender, requests) = mpsc::channel(REQUESTS);
    let reader = Arc::new(Reader::load(paths, &snapshot_receiver.borrow().boot));
    let (change_sender, changes) = mpsc::unbounded_channel();
    tokio::spawn(follower::run(paths.clone(), changes, order_sender.clone()));
    let changer = Changer::new(
        paths,
        reader.clone(),
        order_sender,
        snapshot_receiver.clone(),
        change_sender,
    );
    let trial = changer.trial();
    tokio::spawn(changer.run(requests));
    let door = bus::Door {
        reader,
        requests: request_sender,
        snapshots: snapshot_receiver,
        trial,
    };
    tokio::spawn(card_watch::run(paths.clone(), door.requests.clone()));
    tokio::spawn(stick::run(
        paths.clone(),
        door.clone(),
        patience.saturating_mul(STICK_PATIENCE),
    ));
    tokio::spawn(bus::run(paths.clone(), door));
    Appliance { orders, snapshots }
}

/// So many times as long the settings of a stick may take to bring the network up: nobody can confirm them.
const STICK_PATIENCE: u32 = 3;
/// Requests that may wait; whoever comes then waits on the bus.
const REQUESTS: usize = 4;
