//! Frames of bolt, of both versions.
#![no_main]

mod codecs;

use host_codec::{BoltSettings, BuiltinCodec};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    codecs::read(BuiltinCodec::Bolt(BoltSettings { go_away: true }), bytes);
});
