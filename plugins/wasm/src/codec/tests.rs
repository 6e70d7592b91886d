//! Codecs over guests that are small modules of text: `codec_tiny` and `codec_mosn` of the
//! fixtures, and modules whose answers are written here.

mod faults;
mod loading;
mod mosn;
mod own;

use std::{path::Path, rc::Rc};

use bytes::{Bytes, BytesMut};
use host_extension::{
    Codec, CodecStep, Decoded, ExtensionPoint, FilterFactory, InstanceSpec, PluginFault, Rejection,
    Rewrite,
};
use host_types::{FieldList, Frame, Isolation, VmSettings};

use crate::testing::Rig;

/// The bytes of a text module of the fixtures.
fn fixture(name: &str) -> Vec<u8> {
    let wat = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/wat");
    wat::parse_file(wat.join(format!("{name}.wat"))).expect("the fixture is a module")
}

/// Starts a plugin as a codec.
fn start(rig: &Rig, config: &[u8]) -> Result<Rc<dyn FilterFactory>, PluginFault> {
    let point = ExtensionPoint::Codec;
    let spec = InstanceSpec { point, config: config.into(), ..InstanceSpec::default() };
    rig.plugin.start(&rig.scope(), &spec)
}

fn factory(rig: &Rig) -> Rc<dyn FilterFactory> {
    start(rig, b"").expect("it starts")
}

/// A machine for each connection.
fn alone() -> VmSettings {
    VmSettings { isolation: Isolation::PerStream, ..VmSettings::default() }
}

/// What a step came to, which is always at once.
fn now<T>(step: CodecStep<T>) -> Result<T, PluginFault> {
    match step {
        CodecStep::Ready(answer) => answer,
        CodecStep::Later(_) => panic!("a guest answers at once"),
    }
}

fn decoded(codec: &Rc<dyn Codec>, bytes: &[u8]) -> Decoded {
    now(codec.decode(BytesMut::from(bytes))).expect("no fault")
}

/// The one frame of some bytes.
#[track_caller]
fn one(codec: &Rc<dyn Codec>, bytes: &[u8]) -> Frame {
    let mut decoded = decoded(codec, bytes);
    assert_eq!((decoded.frames.len(), &decoded.rest[..]), (1, &b""[..]), "{:?}", decoded.lost);
    decoded.frames.remove(0)
}

fn encoded(codec: &Rc<dyn Codec>, frame: &Frame, id: u64, body_changed: bool) -> Option<Bytes> {
    now(codec.encode(Rewrite { frame, id, body_changed })).expect("no fault")
}

fn rejected(codec: &Rc<dyn Codec>, request: &Frame, status: u16, body: &[u8]) -> Option<Bytes> {
    let fields = &FieldList::default();
    let rejection = Rejection { request, status, message: "no route", fields, body };
    now(codec.reject(rejection)).expect("no fault")
}

const REQUEST: u8 = 0;
const ONE_WAY: u8 = 1;
const RESPONSE: u8 = 2;
const HEARTBEAT: u8 = 3;
const HEARTBEAT_REPLY: u8 = 4;
const GO_AWAY: u8 = 5;

/// A frame of the protocol of the fixtures.
fn tiny(kind: u8, id: u32, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(8 + body.len()).expect("a small frame");
    [&[b'T', kind][..], &length.to_le_bytes(), &id.to_le_bytes(), body].concat()
}

/// Some frames of it, of every kind.
fn several() -> Vec<u8> {
    [
        tiny(REQUEST, 1, b"hello"),
        tiny(HEARTBEAT, 2, b""),
        tiny(RESPONSE, 0x0102_0304, &[7; 90]),
        tiny(ONE_WAY, u32::MAX, b"."),
        tiny(HEARTBEAT_REPLY, 5, b""),
    ]
    .concat()
}

/// What can be compared of frames: kind, id, all bytes, body.
fn facts(frames: &[Frame]) -> Vec<String> {
    let facts = |frame: &Frame| {
        let Frame { kind, id, raw, body, .. } = frame;
        format!("{kind:?} {id} {raw:?} {body:?}")
    };
    frames.iter().map(facts).collect()
}
