//! The codecs of a table, which one of version 1.0 does not have.

use abi_native::{
    number::{CODEC_GO_AWAY, CODEC_HEARTBEATS},
    table::{Bytes, CodecProfile, Rejection, Rewrite},
};

use super::{Callbacks, Kept, Object, Opened, opened};

/// A callback of a codec.
#[derive(Debug)]
pub(crate) enum CodecHook<'a> {
    Detect(&'a [u8], &'a mut u32),
    /// Bytes that live for the call.
    Decode(Bytes),
    Encode(&'a Rewrite),
    Heartbeat(u64),
    HeartbeatReply(&'a [u8], u64),
    Reject(&'a Rejection),
    GoAway,
}

impl Callbacks {
    /// True where it can serve a protocol at all.
    pub(crate) fn has_codecs(&self) -> bool {
        self.0.codec_decode.is_some()
    }

    /// The version of the contract that it was built for.
    pub(crate) fn version(&self) -> (u16, u16) {
        (self.0.major, self.0.minor)
    }

    /// What holds of its protocol; `None` where it says nothing.
    pub(crate) fn codec_profile(&self, object: &Object, profile: &mut CodecProfile) -> Option<u32> {
        let tell = self.0.codec_profile?;
        // SAFETY: the instance lives; the profile is lent for the call.
        Some(unsafe { tell(object.0.as_ptr(), profile) })
    }

    pub(crate) fn open_codec(&self, object: &Object, context: u64) -> Opened {
        let Some(open) = self.0.codec_new else { return Opened::Served(Kept::NOTHING) };
        // SAFETY: the instance lives.
        opened(unsafe { open(object.0.as_ptr(), context) })
    }

    /// What was kept goes. To be called once for each.
    pub(crate) fn free_codec(&self, object: &Object, kept: Kept) {
        if let (Some(free), false) = (self.0.codec_free, kept.0.is_null()) {
            // SAFETY: the library made it and gets it back once.
            unsafe { free(object.0.as_ptr(), kept.0) };
        }
    }

    /// Calls a callback of a codec; `None` where there is none.
    pub(crate) fn codec(
        &self,
        object: &Object,
        kept: Kept,
        context: u64,
        hook: CodecHook<'_>,
    ) -> Option<u32> {
        let (table, object, kept) = (&self.0, object.0.as_ptr(), kept.0);
        // SAFETY, for all of these: the library made both and has not got them back; the rest is
        // lent for the call.
        match hook {
            CodecHook::Detect(first, detection) => {
                let call = table.codec_detect?;
                // SAFETY: as above.
                Some(unsafe { call(object, kept, context, Bytes::of(first), detection) })
            }
            CodecHook::Decode(bytes) => {
                let call = table.codec_decode?;
                // SAFETY: as above.
                Some(unsafe { call(object, kept, context, bytes) })
            }
            CodecHook::Encode(rewrite) => {
                let call = table.codec_encode?;
                // SAFETY: as above.
                Some(unsafe { call(object, kept, context, rewrite) })
            }
            CodecHook::Heartbeat(id) => {
                let call = table.codec_heartbeat?;
                // SAFETY: as above.
                Some(unsafe { call(object, kept, context, id) })
            }
            CodecHook::HeartbeatReply(bytes, id) => {
                let call = table.codec_heartbeat_reply?;
                // SAFETY: as above.
                Some(unsafe { call(object, kept, context, Bytes::of(bytes), id) })
            }
            CodecHook::Reject(rejection) => {
                let call = table.codec_reject?;
                // SAFETY: as above.
                Some(unsafe { call(object, kept, context, rejection) })
            }
            CodecHook::GoAway => {
                let call = table.codec_go_away?;
                // SAFETY: as above.
                Some(unsafe { call(object, kept, context) })
            }
        }
    }
}

impl CodecHook<'_> {
    /// Its name, for stories.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Detect(..) => "codec_detect",
            Self::Decode(_) => "codec_decode",
            Self::Encode(_) => "codec_encode",
            Self::Heartbeat(_) => "codec_heartbeat",
            Self::HeartbeatReply(..) => "codec_heartbeat_reply",
            Self::Reject(_) => "codec_reject",
            Self::GoAway => "codec_go_away",
        }
    }
}

/// What a protocol is taken for of which a table says nothing.
pub(crate) fn default_profile() -> CodecProfile {
    CodecProfile {
        size: u32::try_from(size_of::<CodecProfile>()).unwrap_or(u32::MAX),
        pool: 0,
        id_width: 4,
        flags: 0,
        default_timeout_ms: 0,
        reserved: 0,
    }
}

/// True where a profile says so.
pub(crate) fn has_heartbeats(profile: &CodecProfile) -> bool {
    profile.flags & CODEC_HEARTBEATS != 0
}

/// As [`has_heartbeats`], of go-away frames.
pub(crate) fn has_go_away(profile: &CodecProfile) -> bool {
    profile.flags & CODEC_GO_AWAY != 0
}
