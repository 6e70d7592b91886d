//! The codecs of one use: each is a protocol on one connection.
//!
//! All answers stand at once: a codec of a library is a plain call.

use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use host_extension::{Codec, CodecStep, Decoded, Detection, PluginFault, Rejection, Rewrite};
use host_types::Frame;

use crate::{
    callbacks::CodecHook,
    instance::{At, Instance},
};

/// One codec of an instance.
#[derive(Debug)]
pub(crate) struct NativeCodec {
    instance: Rc<Instance>,
    at: At,
}

impl NativeCodec {
    pub(crate) fn new(instance: Rc<Instance>) -> Result<Self, PluginFault> {
        let at = instance.open_codec()?;
        Ok(Self { instance, at })
    }
}

impl Codec for NativeCodec {
    fn detect(&self, first: &[u8]) -> CodecStep<Detection> {
        CodecStep::Ready(self.instance.detect(self.at, first))
    }

    fn decode(&self, bytes: BytesMut) -> CodecStep<Decoded> {
        CodecStep::Ready(self.instance.decode(self.at, bytes))
    }

    fn encode(&self, rewrite: Rewrite<'_>) -> CodecStep<Option<Bytes>> {
        CodecStep::Ready(self.instance.encode(self.at, &rewrite))
    }

    fn heartbeat(&self, id: u64) -> CodecStep<Option<Bytes>> {
        CodecStep::Ready(self.instance.write(self.at, CodecHook::Heartbeat(id)))
    }

    fn heartbeat_reply(&self, heartbeat: &Frame) -> CodecStep<Option<Bytes>> {
        let hook = CodecHook::HeartbeatReply(&heartbeat.raw, heartbeat.id);
        CodecStep::Ready(self.instance.write(self.at, hook))
    }

    fn reject(&self, rejection: Rejection<'_>) -> CodecStep<Option<Bytes>> {
        CodecStep::Ready(self.instance.reject(self.at, &rejection))
    }

    fn go_away(&self) -> CodecStep<Option<Bytes>> {
        CodecStep::Ready(self.instance.write(self.at, CodecHook::GoAway))
    }

    fn is_lost(&self) -> bool {
        self.instance.is_lost()
    }
}

impl Drop for NativeCodec {
    fn drop(&mut self) {
        self.instance.close_codec(self.at);
    }
}

#[cfg(test)]
mod tests;
