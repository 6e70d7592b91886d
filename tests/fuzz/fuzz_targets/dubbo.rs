//! Frames of Dubbo.
#![no_main]

mod codecs;

use host_codec::BuiltinCodec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| codecs::read(BuiltinCodec::Dubbo, bytes));
