//! `balance: exact`: one task accepts and hands each connection to the worker with the
//! fewest.

use std::collections::{HashMap, HashSet};

use host_types::ListenerName;
use tokio::task::JoinHandle;

use crate::worker::{Handed, Inbox};

/// The accepting tasks of the control thread.
pub(crate) struct Acceptors {
    inboxes: Vec<Inbox>,
    running: HashMap<ListenerName, JoinHandle<()>>,
}

impl Acceptors {
    /// None yet; connections will go to these workers.
    pub(crate) fn new(inboxes: Vec<Inbox>) -> Self {
        Self { inboxes, running: HashMap::new() }
    }

    /// Stops accepting for listeners that are not among these.
    pub(crate) fn keep(&mut self, listeners: &HashSet<ListenerName>) {
        self.running.retain(|name, task| {
            let stays = listeners.contains(name);
            if !stays {
                task.abort();
            }
            stays
        });
    }

    /// Accepts for a listener, in place of its former socket.
    pub(crate) fn start(&mut self, name: ListenerName, socket: std::net::TcpListener) {
        let task = tokio::spawn(accept(name.clone(), socket, self.inboxes.clone()));
        if let Some(former) = self.running.insert(name, task) {
            former.abort();
        }
    }
}

async fn accept(name: ListenerName, socket: std::net::TcpListener, inboxes: Vec<Inbox>) {
    let socket = match host_net::Listener::new(socket) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::error!(listener = %name, %error, "a bound socket cannot be listened to");
            return;
        }
    };
    loop {
        let (stream, peer) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(listener = %name, %error, "cannot accept any more");
                return;
            }
        };
        let Some(inbox) = inboxes.iter().min_by_key(|inbox| inbox.load(&name)) else { return };
        match stream.into_std() {
            Ok(stream) => inbox.hand(Handed { listener: name.clone(), stream, peer }),
            Err(error) => tracing::debug!(listener = %name, %error, "a connection was lost"),
        }
    }
}
