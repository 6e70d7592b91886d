//! Whether a connection lives, and whether it is still needed: heartbeats and idle time.
//!
//! Any frame that comes is a sign of life. A heartbeat goes out only where none came for a while.
//! Where there are none, requests that nobody answers tell that a connection is dead.

use std::{cell::Cell, time::Duration};

use host_extension::PoolMode;
use tokio::time::{Instant, sleep, sleep_until};

use super::{
    RpcProtocol,
    connection::Connection,
    task::{answer, control},
};
use crate::{ConnectionEnd, RpcPoolPlan};

/// The shortest step between two looks at an idle connection.
const LOOK_STEP_MIN: Duration = Duration::from_millis(10);

/// Requests that are given up in a row, with nothing heard for so long, and the connection is
/// taken for dead: the peer may be gone without a word.
const GIVEN_UP_MAX: u32 = 3;
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// How long requests of a connection have been given up with nothing heard in between. Pure.
#[derive(Debug, Default)]
pub(super) struct Silence {
    since: Cell<Option<Instant>>,
    given_up: Cell<u32>,
}

impl Silence {
    /// A frame came.
    pub(super) fn broken(&self) {
        self.since.set(None);
        self.given_up.set(0);
    }

    /// A request was given up that had heard nothing from `since` on. True where that is enough.
    pub(super) fn given_up(&self, since: Instant, now: Instant) -> bool {
        let since = self.since.get().unwrap_or(since);
        let given_up = self.given_up.get().saturating_add(1);
        self.since.set(Some(since));
        self.given_up.set(given_up);
        given_up >= GIVEN_UP_MAX && since + SILENCE_MAX <= now
    }
}

/// Sends heartbeats and watches for signs of life; ends when too many were missed in a row.
pub(super) async fn beat(
    connection: &Connection,
    protocol: &RpcProtocol,
    plan: &RpcPoolPlan,
) -> ConnectionEnd {
    if !protocol.profile.heartbeats || plan.heartbeat_interval.is_zero() {
        return std::future::pending().await;
    }
    let mut misses = 0;
    let mut due = Instant::now() + plan.heartbeat_interval;
    loop {
        sleep_until(due).await;
        let silent_until = connection.heard.get() + plan.heartbeat_interval;
        if silent_until > due {
            (misses, due) = (0, silent_until);
            continue;
        }
        if !connection.begin_heartbeat() {
            due = Instant::now() + plan.heartbeat_interval;
            continue;
        }
        let reads = connection.reads.get();
        match answer(connection.codec.heartbeat(connection.fresh_id())).await {
            Ok(Some(frame)) => {
                if let Err(why) = control(connection, Some(frame)) {
                    return why;
                }
            }
            // Its profile promised more.
            Ok(None) => {
                connection.end_heartbeat();
                return std::future::pending().await;
            }
            Err(why) => return why,
        }
        due += plan.heartbeat_interval;
        sleep(plan.heartbeat_timeout).await;
        if connection.reads.get() != reads {
            misses = 0;
            continue;
        }
        misses += 1;
        connection.metrics().heartbeats_missed_total.increment();
        if misses >= plan.heartbeat_misses_max {
            return ConnectionEnd::Unresponsive { misses };
        }
    }
}

/// Ends when the connection was idle for so long. One that belongs to a client's connection ends
/// with that.
pub(super) async fn idle_for(connection: &Connection, limit: Duration) {
    if connection.mode == PoolMode::Bound {
        return std::future::pending().await;
    }
    let step = (limit / 4).max(LOOK_STEP_MIN);
    loop {
        match connection.idle_since() {
            Some(since) if since + limit <= Instant::now() => return,
            Some(since) => sleep_until(since + limit).await,
            None => sleep(step).await,
        }
    }
}
