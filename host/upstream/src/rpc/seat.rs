//! Requests on a connection: a [`Seat`] before it is sent, a [`Waiting`] or a [`Leaving`] after.
//!
//! Each gives back what it holds when it is dropped, at whatever moment that is.

use std::{net::SocketAddr, rc::Rc};

use bytes::Bytes;
use host_extension::PoolMode;
use host_types::Frame;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{
    connection::{Connection, ONLY},
    queue::Ticket,
};
use crate::UpstreamError;

/// The right to have one request under way on a connection.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(super) connection: Rc<Connection>,
    /// The id that was given to the request, where one was.
    pub(super) id: Option<u64>,
    pub(super) reused: bool,
}

/// A request that is in the queue, or sent, and whose response is waited for. Given up when it
/// is dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    key: u64,
    ticket: Ticket,
    answer: oneshot::Receiver<Frame>,
    asked: Instant,
    seat: Seat,
}

/// A one-way request that is in the queue, taken out of it when it is dropped before it is sent.
#[derive(Debug)]
pub(super) struct Leaving {
    ticket: Ticket,
    written: oneshot::Receiver<()>,
    seat: Seat,
}

impl Seat {
    pub(crate) fn address(&self) -> SocketAddr {
        self.connection.key.address()
    }

    /// True where earlier requests used the connection.
    pub(crate) fn is_reused(&self) -> bool {
        self.reused
    }

    pub(super) fn id(&self) -> Option<u64> {
        self.id
    }

    /// Waits until the queue takes a request, or the connection is over; but not for longer than
    /// for a connection.
    pub(super) async fn until_room(&self) -> Result<(), UpstreamError> {
        let connection = &self.connection;
        let room = connection.queue.until_room();
        timeout(connection.pending_timeout, room).await.map_err(|_elapsed| self.queue_full())
    }

    /// Puts a request into the queue, where there is room for it.
    pub(super) fn call(mut self, bytes: Bytes, own_id: u64) -> Result<Waiting, UpstreamError> {
        let connection = &self.connection;
        let key = match connection.mode {
            PoolMode::Multiplexed => self.id.unwrap_or(own_id),
            PoolMode::PingPong => ONLY,
            PoolMode::Bound => own_id,
        };
        if connection.is_busy(key) {
            let what = "a request with its id is under way on its connection";
            return Err(UpstreamError::Unsendable { cluster: connection.cluster.clone(), what });
        }
        let ticket = self.push(bytes, None)?;
        let (tell, answer) = oneshot::channel();
        connection.wait(key, tell, ticket);
        // From here on the table says how long it is taken.
        self.id = None;
        Ok(Waiting { key, ticket, answer, asked: Instant::now(), seat: self })
    }

    /// Puts a one-way request into the queue, where there is room for it.
    pub(super) fn notify(self, bytes: Bytes) -> Result<Leaving, UpstreamError> {
        let (tell, written) = oneshot::channel();
        let ticket = self.push(bytes, Some(tell))?;
        Ok(Leaving { ticket, written, seat: self })
    }

    fn push(
        &self,
        bytes: Bytes,
        written: Option<oneshot::Sender<()>>,
    ) -> Result<Ticket, UpstreamError> {
        let connection = &self.connection;
        if connection.is_over() {
            return Err(connection.failure(false));
        }
        connection.queue.push(bytes, written).ok_or_else(|| self.queue_full())
    }

    fn queue_full(&self) -> UpstreamError {
        self.connection.metrics().overflow_total.increment();
        UpstreamError::QueueFull { cluster: self.connection.cluster.clone() }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connection.stand_up(self.id);
    }
}

impl Waiting {
    /// Waits for the response.
    pub(super) async fn answer(mut self) -> Result<Frame, UpstreamError> {
        let connection = Rc::clone(&self.seat.connection);
        (&mut self.answer)
            .await
            .map_err(|_ended| connection.failure(!connection.queue.is_unsent(self.ticket)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.seat.connection.give_up(self.key, self.ticket, self.asked);
    }
}

impl Leaving {
    /// Waits until it is written.
    pub(super) async fn written(mut self) -> Result<(), UpstreamError> {
        let connection = Rc::clone(&self.seat.connection);
        (&mut self.written)
            .await
            .map_err(|_ended| connection.failure(!connection.queue.is_unsent(self.ticket)))
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let connection = &self.seat.connection;
        if !connection.is_over() {
            connection.queue.take_back(self.ticket);
        }
    }
}
