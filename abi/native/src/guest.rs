//! The plugin's side of the table, for plugins in Rust.
//!
//! An SDK implements [`Guest`] in safe code; [`entry`] makes of it the functions that the proxy
//! calls. Each of them catches panics: a panic is told to the proxy as the instance's failure,
//! with its text and place, and the instance answers "failed" from then on.
//!
//! What comes from the proxy is copied before anything else happens, so that no pointer of the
//! proxy's outlives its callback. Start reading at [`Guest`], then `exports`.

#[macro_use]
mod calls;
mod codec;
mod exports;
mod panics;

pub use self::{
    calls::{Answer, Calls, Pairs, Reply, Request},
    codec::{CodecEvent, FrameRecord, IdPlace, Lent, Rejection, Rewrite, Shown},
    exports::{entry, entry_untyped},
};
use crate::number::{Action, Peer, Way};
use crate::{
    number::{Kind, MAGIC, MAJOR, MINOR},
    table::{Abi, CodecProfile},
};

#[cfg(all(panic = "abort", not(test), not(target_family = "wasm")))]
compile_error!("a native plugin must be built with panic = \"unwind\": its panics are caught");

/// A started plugin. All of it is called on one thread, one callback after the other.
pub trait Guest: Sized + 'static {
    /// What it keeps for a stream.
    type Stream: 'static;
    /// What it keeps for a connection.
    type Connection: 'static;
    /// What it keeps for a codec.
    type Codec: 'static;
    /// Who it is.
    const ABOUT: About;

    /// Starts it for one use. `phases` are all that it wants, and may be made fewer.
    ///
    /// # Errors
    /// It does not serve this use; the proxy shows the reason.
    fn start(calls: &Calls, root_id: &str, config: &[u8], phases: &mut u32)
    -> Result<Self, String>;

    /// A stream begins; with `None` it passes unseen.
    fn stream(&mut self, calls: &Calls, context: u64) -> Option<Self::Stream>;

    /// Something of a stream.
    fn on_stream(
        &mut self,
        calls: &Calls,
        stream: &mut Self::Stream,
        context: u64,
        event: StreamEvent,
    ) -> Action;

    /// A connection begins; with `None` it passes unseen.
    fn connection(&mut self, calls: &Calls, context: u64) -> Option<Self::Connection>;

    /// Something of a connection.
    fn on_connection(
        &mut self,
        calls: &Calls,
        connection: &mut Self::Connection,
        context: u64,
        event: ConnectionEvent,
    ) -> Action;

    /// Tells what holds of the protocol of its codecs.
    fn codec_profile(&mut self, profile: &mut CodecProfile);

    /// A connection begins that speaks its protocol; with `None` it serves none.
    fn codec(&mut self, calls: &Calls, context: u64) -> Option<Self::Codec>;

    /// Something that is asked of a codec.
    fn on_codec(&mut self, calls: &Calls, codec: &mut Self::Codec, event: CodecEvent<'_>)
    -> Action;

    /// Something beside streams and connections.
    fn on_event(&mut self, calls: &Calls, event: Event);
}

/// What a library says of itself.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// The name of the package.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The SDK with its version.
    pub sdk: &'static str,
    /// All callbacks that any instance wants.
    pub phases: u32,
}

/// Something of a stream.
#[derive(Debug)]
pub enum StreamEvent {
    /// A head.
    Headers(Way, bool),
    /// A part of a body.
    Body(Way, bool),
    /// Trailers.
    Trailers(Way),
    /// The end of it.
    Complete,
    /// An answer to a request.
    HttpAnswer(u64, Option<Answer>),
}

/// Something of a connection.
#[derive(Debug)]
pub enum ConnectionEvent {
    /// It was accepted.
    New,
    /// Bytes.
    Data(Way, bool),
    /// A side was closed.
    Close(Way, Peer),
    /// The end of it.
    Complete,
    /// An answer to a request.
    HttpAnswer(u64, Option<Answer>),
}

/// Something beside streams and connections.
#[derive(Debug)]
pub enum Event {
    /// The timer.
    Tick,
    /// An item is in a queue.
    QueueReady(u32),
    /// An answer to a request.
    HttpAnswer(u64, Option<Answer>),
}

/// What stands in the file of a library of this kind.
#[must_use]
pub const fn mark(kind: Kind) -> Abi {
    Abi { magic: MAGIC, major: MAJOR, minor: MINOR, kind: kind.number() }
}

#[cfg(test)]
mod tests;
