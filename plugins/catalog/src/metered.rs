//! Codecs whose calls are timed.
//!
//! What a filter takes is measured by the chain that it stands in. A codec stands in none, and its
//! upstream connections belong to no listener, so its plugin's slot makes it one of these.

use std::{fmt, rc::Rc, sync::Arc};

use bytes::{Bytes, BytesMut};
use host_extension::{Codec, CodecStep, Decoded, Detection, Rejection, Rewrite};
use host_telemetry::{CodecCall, PluginMetrics};
use host_types::Frame;

use crate::worker::MonotonicClock;

/// A codec, and where its calls are counted.
pub(crate) struct Metered {
    codec: Rc<dyn Codec>,
    metrics: Arc<PluginMetrics>,
    clock: MonotonicClock,
}

impl Metered {
    pub(crate) fn new(
        codec: Rc<dyn Codec>,
        metrics: &Arc<PluginMetrics>,
        clock: &MonotonicClock,
    ) -> Self {
        Self { codec, metrics: Arc::clone(metrics), clock: Rc::clone(clock) }
    }

    fn timed<T: 'static>(
        &self,
        call: CodecCall,
        ask: impl FnOnce(&dyn Codec) -> CodecStep<T>,
    ) -> CodecStep<T> {
        let start = (self.clock)();
        match ask(&*self.codec) {
            CodecStep::Ready(answer) => {
                self.metrics.codec_call(call, (self.clock)().saturating_sub(start));
                CodecStep::Ready(answer)
            }
            CodecStep::Later(answer) => {
                let (metrics, clock) = (Arc::clone(&self.metrics), Rc::clone(&self.clock));
                CodecStep::Later(Box::pin(async move {
                    let answer = answer.await;
                    metrics.codec_call(call, clock().saturating_sub(start));
                    answer
                }))
            }
        }
    }
}

impl Codec for Metered {
    fn detect(&self, first: &[u8]) -> CodecStep<Detection> {
        self.timed(CodecCall::Detect, |codec| codec.detect(first))
    }

    fn decode(&self, bytes: BytesMut) -> CodecStep<Decoded> {
        self.timed(CodecCall::Decode, |codec| codec.decode(bytes))
    }

    fn encode(&self, rewrite: Rewrite<'_>) -> CodecStep<Option<Bytes>> {
        self.timed(CodecCall::Encode, |codec| codec.encode(rewrite))
    }

    fn heartbeat(&self, id: u64) -> CodecStep<Option<Bytes>> {
        self.timed(CodecCall::Heartbeat, |codec| codec.heartbeat(id))
    }

    fn heartbeat_reply(&self, heartbeat: &Frame) -> CodecStep<Option<Bytes>> {
        self.timed(CodecCall::HeartbeatReply, |codec| codec.heartbeat_reply(heartbeat))
    }

    fn reject(&self, rejection: Rejection<'_>) -> CodecStep<Option<Bytes>> {
        self.timed(CodecCall::Reject, |codec| codec.reject(rejection))
    }

    fn go_away(&self) -> CodecStep<Option<Bytes>> {
        self.timed(CodecCall::GoAway, |codec| codec.go_away())
    }

    fn is_lost(&self) -> bool {
        self.codec.is_lost()
    }
}

impl fmt::Debug for Metered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.codec.fmt(f)
    }
}

#[cfg(test)]
mod tests;
