//! The limits of a session.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Bytes of one message of the child. It carries at most the body that a filter may hold, with
/// room for heads.
pub(super) const MESSAGE_BYTES_MAX: usize = 16 * MIB;
/// Bytes of one event for the child.
pub(super) const EVENT_BYTES_MAX: usize = MESSAGE_BYTES_MAX - KIB;
/// Events are put into one message up to so many bytes.
pub(super) const BATCH_BYTES: usize = 128 * KIB;
/// Bytes of all events that wait for the connection to take them.
pub(super) const OUTBOX_BYTES_MAX: usize = 32 * MIB;
/// Calls of the child whose results wait for it to read them.
pub(super) const CALLS_MAX: usize = 4096;
/// Messages inside of one reply of the child: changes, fields.
pub(super) const PARTS_MAX: usize = 16_384;
/// Replies that are carried out before others of the worker have their turn.
pub(super) const REPLIES_PER_TURN: usize = 128;
/// Properties that one instance may have sent along.
pub(super) const PROPERTIES_MAX: usize = 64;
/// Uses as a codec whose protocols are remembered: more than a configuration has of one plugin.
pub(super) const PROFILES_MAX: usize = 1024;
/// Contexts that are over and of which the child was not told yet, or still writes its log: so many
/// more it may see than a plugin may have.
pub(super) const ENDING_MAX: usize = 1024;
/// Exchanges that end without an answer, in a row, until a child counts as unresponsive.
pub(super) const TIMEOUTS_MAX: u32 = 5;
/// A child of which nothing was heard for so long is asked whether it is there.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(1);
/// As [`PING_INTERVAL`], for one that is unresponsive.
pub(super) const PING_INTERVAL_SUSPECT: Duration = Duration::from_millis(250);
/// The first wait before a child is reached again that broke its session off and lives on; it
/// doubles with each such session.
pub(super) const RETRY_WAIT: Duration = Duration::from_millis(250);
/// The longest of these waits.
pub(super) const RETRY_WAIT_MAX: Duration = Duration::from_secs(8);
