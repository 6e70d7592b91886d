//! A codec for tests, which finds no frames.

use bytes::{Bytes, BytesMut};
use host_extension::{Codec, CodecStep, Decoded, Detection, Rejection, Rewrite};
use host_types::Frame;

/// It shows the version and the instance that made it.
#[derive(Default)]
pub(crate) struct NoFrames {
    pub(crate) version: String,
    pub(crate) instance: usize,
}

impl Codec for NoFrames {
    fn detect(&self, _first: &[u8]) -> CodecStep<Detection> {
        CodecStep::ready(Detection::No)
    }

    fn decode(&self, rest: BytesMut) -> CodecStep<Decoded> {
        CodecStep::ready(Decoded { rest, ..Decoded::default() })
    }

    fn encode(&self, _rewrite: Rewrite<'_>) -> CodecStep<Option<Bytes>> {
        CodecStep::ready(None)
    }

    fn heartbeat_reply(&self, _heartbeat: &Frame) -> CodecStep<Option<Bytes>> {
        CodecStep::ready(None)
    }

    fn reject(&self, _rejection: Rejection<'_>) -> CodecStep<Option<Bytes>> {
        CodecStep::ready(None)
    }
}

impl std::fmt::Debug for NoFrames {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}#{}", self.version, self.instance)
    }
}
