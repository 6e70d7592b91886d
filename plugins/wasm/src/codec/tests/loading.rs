use abi_wasm::codec::export;
use host_extension::{FaultKind, Phases};

use super::{factory, fixture, start};
use crate::testing::{Rig, guest};

/// Exports of a codec that has every callback of these and of nothing else.
pub(super) fn exports(names: &[&str]) -> String {
    let shape = |name: &str| match name {
        export::BUFFER => "(param i32) (result i32) (i32.const 1024)",
        export::PROFILE => "(param i32) (result i64) (i64.const 1)",
        export::CONTEXT => "(param i32 i32) (result i32) (i32.const 1)",
        export::DETECT => "(param i32 i32) (result i32) (i32.const 1)",
        export::HEARTBEAT => "(param i32 i64) (result i64) (i64.const 0)",
        export::GO_AWAY => "(param i32) (result i64) (i64.const 0)",
        _ => "(param i32 i32) (result i64) (i64.const 0)",
    };
    let export = |name: &&str| format!("(func (export \"{name}\") {})", shape(name));
    names.iter().map(export).collect()
}

#[track_caller]
fn refused(bytes: &[u8], config: &[u8], told: &[&str]) {
    let fault = start(&Rig::new(bytes), config).expect_err("it does not start");
    assert_eq!(fault.kind, FaultKind::LoadFailed);
    for part in told {
        assert!(fault.message.contains(part), "{fault}");
    }
}

#[test]
fn a_module_without_the_exports_is_told_what_is_missing() {
    refused(&guest("", ""), b"", &["reads no protocol", "`mortise_codec_decode`", "abi/wasm"]);
    let all_but_one = guest("", &exports(&export::REQUIRED[..7]));
    refused(&all_but_one, b"", &["does not export `mortise_codec_reject`"]);
    let marked = r#"(func (export "proxy_abi_mosn_version_0_2_0"))"#;
    refused(&guest("", marked), b"", &["`proxy_decode_buffer_bytes`, `proxy_encode_buffer_bytes`"]);
}

#[test]
fn a_module_whose_exports_have_another_type_is_refused() {
    let wrong = exports(&export::REQUIRED[1..])
        + r#"(func (export "mortise_codec_buffer") (param i64) (result i32) (i32.const 1024))"#;
    refused(&guest("", &wrong), b"", &["`mortise_codec_buffer` with an unexpected type"]);
}

#[test]
fn a_guest_that_serves_no_protocol_does_not_start() {
    let with = |name: &str, is: &str, instead: &str| {
        let one = exports(&[name]);
        guest("", &exports(&export::REQUIRED).replace(&one, &one.replace(is, instead)))
    };
    let none = with(export::PROFILE, "i64.const 1", "i64.const 0");
    refused(&none, b"", &["answered `mortise_codec_profile` with zero"]);
    let odd = with(export::PROFILE, "i64.const 1", "i64.const 0x0301");
    refused(&odd, b"", &["with 0x301"]);
    let none = with(export::CONTEXT, "i32.const 1", "i32.const 0");
    refused(&none, b"", &["makes no codec"]);
    let traps = with(export::CONTEXT, "i32.const 1", "unreachable");
    refused(&traps, b"", &["trapped in `mortise_on_codec_context`"]);
}

#[test]
fn what_is_not_there_is_none() {
    let rig = Rig::new(&guest("", &exports(&export::REQUIRED)));
    let factory = factory(&rig);
    let profile = factory.codec_profile();
    assert!(!profile.heartbeats && !profile.go_away);
    let codec = factory.codec().expect("a codec");
    assert_eq!(super::now(codec.heartbeat(1)), Ok(None));
    assert_eq!(super::now(codec.go_away()), Ok(None));
    // A heartbeat is promised, and there is no callback for it.
    let promise = exports(&export::REQUIRED).replace("i64.const 1", "i64.const 0x060001");
    let profile = super::factory(&Rig::new(&guest("", &promise))).codec_profile();
    assert!(!profile.heartbeats && !profile.go_away);
}

#[test]
fn a_codec_serves_neither_streams_nor_connections() {
    let rig = Rig::new(&fixture("codec_tiny"));
    let factory = factory(&rig);
    assert_eq!(factory.phases(), Phases::NONE);
    assert!(factory.stream_filter(&crate::testing::stream()).is_err());
    assert!(factory.network_filter(&crate::testing::connection()).is_err());
    // And as a filter it serves no protocol.
    assert!(rig.factory().codec().is_err());
}
