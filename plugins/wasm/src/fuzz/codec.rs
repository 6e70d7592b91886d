//! Codecs of hostile guests: the exports of the scripted one, and how they are driven.

use std::rc::Rc;

use bytes::BytesMut;
use host_extension::{Codec, CodecStep, FilterFactory, Rejection, Rewrite};
use host_types::{FieldList, Frame};

use super::Dice;

/// The exports of a codec. They run the script, whose answer is where their own answer is: half
/// of them name a record of one request of four bytes.
pub(super) const EXPORTS: &str = r#"
  (data (i32.const 256) "\01\00\00\00\01\00\00\00\00\00\00\00\04\00\00\00\00\00\c8\00")
  (func $told (result i64)
    (local $answer i32)
    (local.set $answer (call $run))
    (if (result i64) (i32.and (local.get $answer) (i32.const 1))
      (then (i64.const 0x10000000048))
      (else (i64.or (i64.shl (i64.extend_i32_u (local.get $answer)) (i64.const 32))
        (i64.extend_i32_u (i32.and (local.get $answer) (i32.const 255)))))))
  (func (export "mortise_codec_profile") (param i32) (result i64) (i64.const 0x060001))
  (func (export "mortise_codec_buffer") (param $size i32) (result i32)
    (drop (call $run)) (call $bump (local.get $size)))
  (func (export "mortise_on_codec_context") (param i32 i32) (result i32)
    (drop (call $run)) (i32.const 1))
  (func (export "mortise_codec_detect") (param i32 i32) (result i32)
    (i32.and (call $run) (i32.const 3)))
  (func (export "mortise_codec_decode") (param i32 i32) (result i64) (call $told))
  (func (export "mortise_codec_encode") (param i32 i32) (result i64) (call $told))
  (func (export "mortise_codec_heartbeat") (param i32 i64) (result i64) (call $told))
  (func (export "mortise_codec_heartbeat_reply") (param i32 i32) (result i64) (call $told))
  (func (export "mortise_codec_reject") (param i32 i32) (result i64) (call $told))
  (func (export "mortise_codec_go_away") (param i32) (result i64) (call $told))"#;

/// The codecs that are open, and frames that they told of.
#[derive(Default)]
pub(super) struct Codecs {
    open: Vec<Rc<dyn Codec>>,
    frames: Vec<Frame>,
}

/// Frames that are kept at most.
const FRAMES_MAX: usize = 8;

impl Codecs {
    /// Opens a codec, where the factory serves a protocol.
    pub(super) fn open(&mut self, factory: &dyn FilterFactory) {
        self.open.extend(factory.codec());
    }

    /// Calls a codec, or closes it.
    pub(super) fn step(&mut self, dice: &mut Dice) {
        let Some(last) = self.open.len().checked_sub(1) else { return };
        let codec = Rc::clone(&self.open[dice.any() as usize % (last + 1)]);
        let bytes = [&b"CCCC"[..], &dice.bytes(24)].concat();
        let frame = self.frames.last().cloned().unwrap_or_default();
        let frame = &frame;
        match dice.below(9) {
            0 => drop(codec.detect(&bytes)),
            1 | 2 => self.decode(&*codec, &bytes),
            3 | 4 => {
                let body_changed = dice.below(2) == 0;
                let rewrite = Rewrite { frame, id: dice.any(), body_changed };
                drop(codec.encode(rewrite));
            }
            5 => drop(codec.heartbeat(dice.any())),
            6 => drop(codec.heartbeat_reply(frame)),
            7 => {
                let fields = &FieldList::default();
                let message = "no route";
                let rejection =
                    Rejection { request: frame, status: 404, message, fields, body: &bytes };
                drop(codec.reject(rejection));
                drop(codec.go_away());
            }
            _ => drop(self.open.pop()),
        }
    }

    /// What a guest tells of some bytes is never anything else than these bytes.
    fn decode(&mut self, codec: &dyn Codec, bytes: &[u8]) {
        let CodecStep::Ready(Ok(decoded)) = codec.decode(BytesMut::from(bytes)) else { return };
        let frames = decoded.frames.iter().flat_map(|frame| frame.raw.to_vec());
        let all: Vec<u8> = frames.chain(decoded.rest.to_vec()).collect();
        assert_eq!(all, bytes, "bytes were lost");
        self.frames.extend(decoded.frames);
        self.frames.truncate(FRAMES_MAX);
    }
}
