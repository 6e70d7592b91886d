//! Guests that trap, run on, eat memory and lie.

use std::time::Duration;

use abi_wasm::codec::{AnswerWriter, FrameEntry, IdEntry, export};
use bytes::BytesMut;
use host_extension::{Codec, CpuMeter, FaultKind, PluginFault, Rewrite};
use host_types::{FieldList, Frame, PluginLimits};

use super::{alone, factory, loading::exports, now, tiny};
use crate::testing::{Rig, guest};

/// A guest whose `decode` answers with these bytes.
fn answering(record: &[u8]) -> Vec<u8> {
    let hex: String = record.iter().map(|byte| format!("\\{byte:02x}")).collect();
    let others: Vec<_> =
        export::REQUIRED.into_iter().filter(|name| *name != export::DECODE).collect();
    let answer = abi_wasm::codec::pack(65_536, record.len().try_into().expect("small"));
    guest(
        "",
        &format!(
            r#"{} (data (i32.const 65536) "{hex}")
            (func (export "mortise_codec_decode") (param i32 i32) (result i64) (i64.const {answer}))"#,
            exports(&others)
        ),
    )
}

/// What comes of ten bytes under a guest that tells of them so.
fn told(record: &[u8]) -> Result<Vec<Frame>, PluginFault> {
    let rig = Rig::new(&answering(record));
    let codec = factory(&rig).codec().expect("a codec");
    now(codec.decode(BytesMut::from(&b"0123456789"[..]))).map(|decoded| decoded.frames)
}

fn record(frames: &[FrameEntry<'_>], needed: u32) -> Vec<u8> {
    let mut record = Vec::new();
    let mut writer = AnswerWriter::new(&mut record);
    let none = || std::iter::empty::<(&[u8], &[u8])>().collect::<Vec<_>>().into_iter();
    for frame in frames {
        writer.frame(frame, none(), none());
    }
    writer.finish(needed, None);
    record
}

fn entry() -> FrameEntry<'static> {
    FrameEntry { length: 5, http_status: 200, ..FrameEntry::default() }
}

#[track_caller]
fn lies(record: &[u8], part: &str) {
    let fault = told(record).expect_err("it lies");
    assert_eq!(fault.kind, FaultKind::Protocol, "{fault}");
    assert!(fault.message.contains(part), "{fault}");
    assert!(fault.message.contains("plugin `guest`"), "{fault}");
}

#[test]
fn a_record_that_lies_is_the_plugins_fault() {
    assert_eq!(told(&record(&[entry(), entry()], 0)).expect("two frames").len(), 2);
    lies(&record(&[entry(), FrameEntry { length: 6, ..entry() }], 0), "longer than its bytes");
    lies(&record(&[FrameEntry { length: 0, ..entry() }], 0), "empty");
    lies(&record(&[FrameEntry { kind: 6, ..entry() }], 0), "no known kind");
    lies(&record(&[FrameEntry { body_start: 4, body_length: 2, ..entry() }], 0), "a body");
    lies(&record(&[FrameEntry { body_start: u32::MAX, ..entry() }], 0), "a body");
    let place = Some(IdEntry { offset: 2, ..IdEntry::default() });
    lies(&record(&[FrameEntry { id_place: place, ..entry() }], 0), "an id that is not inside");
    lies(&record(&[FrameEntry { kind: 2, http_status: 99, ..entry() }], 0), "HTTP status");
    lies(&record(&[entry()], 5), "waits for bytes that are there");
    assert_eq!(told(&record(&[entry()], 6)).expect("one frame").len(), 1);
}

#[test]
fn what_is_no_record_is_the_plugins_fault() {
    let sound = record(&[entry()], 0);
    lies(b"", "answered with nothing");
    lies(&sound[..20], "a record that is cut off");
    lies(&[&sound[..], b"!"].concat(), "bytes behind its end");
    lies(&[b"\x02", &sound[1..]].concat(), "of version 2");
    lies(&record(&vec![entry(); 1025], 0), "a record of 1025 frames");
}

#[test]
fn an_address_outside_of_the_memory_is_the_plugins_fault() {
    for export in export::REQUIRED {
        if [export::BUFFER, export::PROFILE, export::CONTEXT, export::DETECT].contains(&export) {
            continue;
        }
        let one = exports(&[export]);
        let wild = one.replace("i64.const 0", "i64.const 0xfffffff0000000ff");
        let rig = Rig::new(&guest("", &exports(&export::REQUIRED).replace(&one, &wild)));
        let fault = call(&*factory(&rig).codec().expect("a codec"), export).expect_err("wild");
        assert_eq!(fault.kind, FaultKind::Protocol);
        assert!(fault.message.contains("not in its memory"), "{fault}");
    }
    let one = exports(&[export::BUFFER]);
    let wild = one.replace("i32.const 1024", "i32.const -1024");
    let rig = Rig::new(&guest("", &exports(&export::REQUIRED).replace(&one, &wild)));
    let fault = call(&*factory(&rig).codec().expect("a codec"), export::DECODE).expect_err("wild");
    assert!(fault.message.contains("a buffer that is not in its memory"), "{fault}");
}

#[test]
fn a_detection_that_says_nothing_is_the_plugins_fault() {
    let one = exports(&[export::DETECT]);
    let odd = one.replace("i32.const 1", "i32.const 3");
    let rig = Rig::new(&guest("", &exports(&export::REQUIRED).replace(&one, &odd)));
    let fault = call(&*factory(&rig).codec().expect("a codec"), export::DETECT).expect_err("odd");
    assert!(fault.message.contains("answered 3"), "{fault}");
}

/// Calls what an export is for.
fn call(codec: &dyn Codec, name: &str) -> Result<(), PluginFault> {
    let frame = Frame { raw: tiny(0, 1, b"").into(), ..Frame::default() };
    let fields = &FieldList::default();
    match name {
        export::DETECT => now(codec.detect(b"first")).map(drop),
        export::DECODE => now(codec.decode(BytesMut::from(&b"0123456789"[..]))).map(drop),
        export::ENCODE => {
            now(codec.encode(Rewrite { frame: &frame, id: 2, body_changed: false })).map(drop)
        }
        export::HEARTBEAT => now(codec.heartbeat(1)).map(drop),
        export::HEARTBEAT_REPLY => now(codec.heartbeat_reply(&frame)).map(drop),
        export::REJECT => now(codec.reject(host_extension::Rejection {
            request: &frame,
            status: 404,
            message: "",
            fields,
            body: b"",
        }))
        .map(drop),
        export::GO_AWAY => now(codec.go_away()).map(drop),
        _ => unreachable!("no call of a codec"),
    }
}

/// A guest of which one export does something else, and a second one beside it.
fn failing(name: &str, body: &str) -> Vec<u8> {
    let all = [&export::REQUIRED[..], &[export::HEARTBEAT, export::GO_AWAY]].concat();
    let one = exports(&[name]);
    let (shape, _) = one.rsplit_once('(').expect("a body");
    let text = exports(&all)
        .replace("i64.const 1)", "i64.const 0x060001)")
        .replace(&one, &format!("{shape} {body})"));
    guest("", &text)
}

const CALLS: [&str; 7] = [
    export::DETECT,
    export::DECODE,
    export::ENCODE,
    export::HEARTBEAT,
    export::HEARTBEAT_REPLY,
    export::REJECT,
    export::GO_AWAY,
];

#[test]
fn a_trap_in_any_export_loses_the_guest_and_nobody_is_called_again() {
    for name in CALLS {
        let rig = Rig::new(&failing(name, "(unreachable)"));
        let factory = factory(&rig);
        let (codec, other) = (factory.codec().expect("one"), factory.codec().expect("two"));
        let fault = call(&*codec, name).expect_err("it traps");
        assert_eq!(fault.kind, FaultKind::Trapped, "{name}: {fault}");
        assert!(fault.message.contains(&format!("trapped in `{name}`")), "{fault}");
        assert!(fault.message.contains("(codec)"), "{fault}");
        assert!(!factory.outlives(&fault));
        for codec in [&codec, &other] {
            for name in CALLS {
                let fault = call(&**codec, name).expect_err("it is lost");
                assert_eq!(fault.kind, FaultKind::InstanceLost, "{name}: {fault}");
            }
        }
        assert_eq!(factory.codec().expect_err("it is lost").kind, FaultKind::InstanceLost);
    }
}

#[test]
fn a_machine_of_ones_own_is_lost_alone() {
    let rig = Rig::with_vm(&failing(export::DECODE, "(unreachable)"), &alone());
    let factory = factory(&rig);
    let (codec, other) = (factory.codec().expect("one"), factory.codec().expect("two"));
    let fault = call(&*codec, export::DECODE).expect_err("it traps");
    assert!(factory.outlives(&fault));
    assert_eq!(call(&*other, export::DETECT), Ok(()));
    assert_eq!(call(&*factory.codec().expect("three"), export::DETECT), Ok(()));
}

#[test]
fn who_runs_on_is_stopped_in_any_export() {
    let limits = PluginLimits { call_budget: Duration::from_millis(2), ..PluginLimits::default() };
    for name in CALLS {
        let rig = Rig::with_limits(&failing(name, "(loop $on (br $on)) (unreachable)"), &limits);
        let codec = factory(&rig).codec().expect("a codec");
        let fault = call(&*codec, name).expect_err("it is stopped");
        assert_eq!(fault.kind, FaultKind::TimedOut, "{name}: {fault}");
    }
}

#[test]
fn who_wants_too_much_memory_gets_none() {
    let grow = "(if (i32.eq (memory.grow (i32.const 5000)) (i32.const -1)) (then (unreachable)))\
                (i32.const 1024)";
    let rig = Rig::new(&failing(export::BUFFER, grow));
    let codec = factory(&rig).codec().expect("a codec");
    let fault = call(&*codec, export::DECODE).expect_err("it wants too much");
    assert_eq!(fault.kind, FaultKind::OutOfMemory, "{fault}");
}

#[test]
fn a_trap_at_the_end_of_a_codec_is_told_beside_it() {
    let delete = r#"(func (export "proxy_on_delete") (param $context i32)
        (if (i32.gt_u (local.get $context) (i32.const 2)) (then (unreachable))))"#;
    let rig = Rig::new(&guest("", &(exports(&export::REQUIRED) + delete)));
    let factory = factory(&rig);
    drop(factory.codec().expect("a codec"));
    let faults = rig.faults.borrow();
    assert_eq!(faults.len(), 1);
    assert!(faults[0].message.contains("trapped in `proxy_on_delete`"), "{}", faults[0]);
}

#[test]
fn who_spent_its_time_of_a_second_is_not_called() {
    let mut rig = Rig::new(&failing(export::DECODE, "(unreachable)"));
    let budget = rig.budget(Duration::from_millis(5));
    let codec = factory(&rig).codec().expect("a codec");
    assert_eq!(call(&*codec, export::DETECT), Ok(()));
    budget.take(rig.host.time.get(), Duration::from_millis(5));
    let fault = call(&*codec, export::DETECT).expect_err("overspent");
    assert_eq!(fault.kind, FaultKind::Overspent);
    rig.host.time.set(Duration::from_secs(1));
    assert_eq!(call(&*codec, export::DETECT), Ok(()));
    rig.cpu = CpuMeter::default();
}
