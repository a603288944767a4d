//! QMP, QEMU's control protocol: JSON lines, with replies told from events by the command's id.

use crate::error::{Error, Result};
use crate::shared::{Shared, Step};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Longer than any command takes on a loaded host that emulates.
const PATIENCE: Duration = Duration::from_secs(30);

/// What QEMU said and nobody has asked for yet.
#[derive(Debug, Default)]
pub(crate) struct Replies {
    greeted: bool,
    by_id: HashMap<u64, Value>,
    pub(crate) events: Vec<Value>,
}

impl Replies {
    fn push(&mut self, mut message: Value) {
        if message.get("event").is_some() {
            self.events.push(message);
        } else if message.get("QMP").is_some() {
            self.greeted = true;
        } else if let Some(id) = message.get("id").and_then(Value::as_u64) {
            self.by_id.insert(id, message.take());
        }
    }
}

/// The sending side of a QMP connection.
pub(crate) struct Qmp {
    stream: Mutex<UnixStream>,
    next_id: AtomicU64,
    shared: Arc<Shared>,
}

impl Qmp {
    pub(crate) fn new(stream: UnixStream, shared: Arc<Shared>) -> Qmp {
        Qmp {
            stream: Mutex::new(stream),
            next_id: AtomicU64::new(1),
            shared,
        }
    }

    /// Waits for QEMU's greeting and leaves the negotiation phase.
    pub(crate) fn negotiate(&self) -> Result<()> {
        self.shared
            .wait("QEMU to start", PATIENCE, |state| match state.replies.greeted {
                true => Step::Done(()),
                false => Step::Wait,
            })?;
        self.execute("qmp_capabilities", json!({})).map(drop)
    }

    /// Executes a command; what it returns.
    pub(crate) fn execute(&self, command: &str, arguments: Value) -> Result<Value> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let line = format!(
            "{}\n",
            json!({ "execute": command, "arguments": arguments, "id": id })
        );
        // When QEMU is gone the wait below says so, and better than a broken pipe does.
        let _ = self
            .stream
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write_all(line.as_bytes());
        let what = format!("the reply to QMP command {command}");
        let mut reply = self
            .shared
            .wait(&what, PATIENCE, |state| match state.replies.by_id.remove(&id) {
                Some(reply) => Step::Done(reply),
                None => Step::Wait,
            })?;
        match reply.get("error") {
            None => Ok(reply["return"].take()),
            Some(error) => Err(Error::Qmp {
                machine: self.shared.machine.clone(),
                command: command.to_owned(),
                description: error["desc"].as_str().unwrap_or("no reason given").to_owned(),
            }),
        }
    }
}

/// Reads what QEMU says until it ends.
pub(crate) fn read(stream: UnixStream, shared: &Shared) {
    for line in BufReader::new(stream).lines().map_while(Result::ok) {
        if let Ok(message) = serde_json::from_str(&line) {
            shared.update(|state| state.replies.push(message));
        }
    }
    shared.update(|state| state.open_streams -= 1);
}
