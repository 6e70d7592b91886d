//! The kit finds what is wrong with codecs that are wrong in one way each.

mod knock;

use self::knock::{Fault, Knock, PROFILE};
use super::{CodecKit, Flaw, Law, mutation::Mutations};
use crate::{Codec, CodecProfile, Host, Plugin, Refusal, testing::TestHost};

/// The kit of the small protocol in `knock`, whose codec has a fault.
fn kit(fault: Fault) -> CodecKit {
    let request = knock::request(0, 7, 500, &[("service", "echo"), ("method", "say")], b"hello");
    let one_way = knock::request(1, 8, 0, &[("service", "log")], b"");
    let response = knock::request(2, 7, 0, &[("a", "b")], b"world");
    let failed = knock::request(2, 9, 3, &[], b"no such method");
    let heartbeat = knock::request(3, 10, 0, &[], b"");
    let mut lying = request.clone();
    // The first name is longer than all fields.
    lying[14] = 200;
    CodecKit::new(PROFILE, move || Box::new(Knock(fault)))
        .sample("requests", [request.clone(), one_way, heartbeat.clone()].concat())
        .sample("responses", [response, failed].concat())
        .sample("heartbeats", [heartbeat, knock::request(4, 10, 0, &[], b"")].concat())
        .malformed("a name too long", [lying, request.clone()].concat())
        .lost("no magic", [request, b"Qxxxxxxxxxxxxxxxx".to_vec()].concat())
        .foreign("another", *b"Quite another protocol")
        .mutations(400)
}

#[track_caller]
fn flaw(kit: &CodecKit) -> Flaw {
    match kit.check() {
        Ok(tried) => panic!("no flaw was found: {tried:?}"),
        Err(flaw) => flaw,
    }
}

#[track_caller]
fn check(fault: Fault, law: Law) {
    let flaw = flaw(&kit(fault));
    assert_eq!(flaw.law, law, "{fault:?}: {flaw}");
}

#[test]
fn a_codec_that_keeps_all_laws_is_sound() {
    let tried = kit(Fault::None).assert_sound();
    assert_eq!(tried.frames, 3 + 2 + 2 + 2 + 1);
    assert!(tried.mutations >= 5 * 400, "{tried:?}");
    assert!(tried.splits > 200, "{tried:?}");
    assert!(tried.written > 30, "{tried:?}");
    // A value of 70000 bytes and 70000 fields do not fit in.
    assert_eq!(tried.fields_refused, 2 * 6, "{tried:?}");
    assert_eq!((tried.bodies_refused, tried.rejections_refused), (0, 0), "{tried:?}");
    assert_eq!(kit(Fault::None).check(), Ok(tried), "the same each time");
}

#[test]
fn what_a_codec_has_no_place_for_is_counted() {
    let tried = kit(Fault::RefusesAll).assert_sound();
    assert!(tried.fields_refused > 8 && tried.bodies_refused > 8, "{tried:?}");
    assert!(tried.rejections_refused > 8, "{tried:?}");
}

#[test]
fn frames_that_lie_about_bytes_are_found() {
    for fault in
        [Fault::ZeroLength, Fault::LongFrame, Fault::LongBody, Fault::TurnedBody, Fault::FarId]
    {
        check(fault, Law::Bound);
    }
}

#[test]
fn frames_that_say_what_no_proxy_takes_are_found() {
    for fault in
        [Fault::OtherId, Fault::WideId, Fault::OddStatus, Fault::OddAttribute, Fault::NamelessField]
    {
        check(fault, Law::Told);
    }
}

#[test]
fn samples_that_are_read_as_something_else_are_found() {
    check(Fault::LosesAll, Law::Read);
    check(Fault::WantsAlways, Law::Read);
    check(Fault::NeverMalformed, Law::Read);
    check(Fault::AlwaysMalformed, Law::Read);
    check(Fault::NeverLost, Law::Read);
}

#[test]
fn beginnings_that_tell_a_wrong_length_are_found() {
    check(Fault::TotalTooLarge, Law::More);
    check(Fault::TotalTooSmall, Law::More);
    check(Fault::LosesBeginnings, Law::More);
    check(Fault::FramesTooEarly, Law::More);
}

#[test]
fn frames_that_depend_on_the_cuts_are_found() {
    check(Fault::ReadsBehind, Law::Split);
    let found = flaw(&kit(Fault::ReadsBehind)).to_string();
    assert!(found.contains("cut at "), "{found}");
}

#[test]
fn memory_that_grows_by_what_the_wire_says_is_found() {
    check(Fault::ReservesByWire, Law::Memory);
    check(Fault::LongReason, Law::Memory);
}

#[test]
fn what_is_written_otherwise_is_found() {
    for fault in [
        Fault::RefusesUnchanged,
        Fault::DropsTimeout,
        Fault::KeepsOldId,
        Fault::KeepsFields,
        Fault::KeepsBody,
        Fault::CutsValues,
        Fault::WritesTwice,
        Fault::WritesPart,
    ] {
        check(fault, Law::Write);
    }
}

#[test]
fn an_id_that_cannot_be_patched_is_found() {
    let with_sums = knock::request(0, 7, 7, &[("a", "b")], b"hello");
    let kit = |fault| {
        CodecKit::new(PROFILE, move || Box::new(Knock(fault))).sample("sums", with_sums.clone())
    };
    assert_eq!(flaw(&kit(Fault::IdHasSum)).law, Law::Patch);
    kit(Fault::None).assert_sound();
}

#[test]
fn what_the_proxy_says_by_itself_is_tried() {
    check(Fault::NoHeartbeat, Law::Heartbeat);
    check(Fault::HeartbeatIsRequest, Law::Heartbeat);
    check(Fault::ReplyOfAnother, Law::Heartbeat);
    check(Fault::NoReply, Law::Heartbeat);
    check(Fault::RejectsAnother, Law::Reject);
    check(Fault::RejectsAsFine, Law::Reject);
    check(Fault::RejectsByRequest, Law::Reject);
    check(Fault::NoGoAway, Law::GoAway);
    check(Fault::GoAwayIsRequest, Law::GoAway);
}

#[test]
fn detection_that_takes_others_or_not_its_own_is_found() {
    check(Fault::DetectsAll, Law::Detect);
    check(Fault::DetectsNothing, Law::Detect);
    check(Fault::DetectsLate, Law::Detect);
    check(Fault::DetectsForgets, Law::Detect);
    let alone = kit(Fault::DetectsAll).without_detection();
    alone.assert_sound();
}

#[test]
fn a_panic_anywhere_is_found_with_the_bytes_that_made_it() {
    check(Fault::PanicsOnBytes, Law::Panic);
    check(Fault::PanicsInEncode, Law::Panic);
    check(Fault::PanicsInReject, Law::Panic);
    let found = flaw(&kit(Fault::PanicsOnBytes));
    let shown = found.to_string();
    assert!(shown.contains("changed input ") && shown.contains("`decode` panics"), "{shown}");
    // The bytes of the flaw alone do it again.
    let again = CodecKit::new(PROFILE, || Box::new(Knock(Fault::PanicsOnBytes)));
    let again = flaw(&again.sample("again", found.bytes).mutations(0));
    assert_eq!(again.law, Law::Panic);
}

#[test]
fn a_flaw_shows_its_sample_and_bytes() {
    let found = flaw(&kit(Fault::LongBody));
    let shown = found.to_string();
    assert!(shown.starts_with("Bound: a frame claims no bytes that are not there\n"), "{shown}");
    assert!(shown.contains("requests: at 0: a body at "), "{shown}");
    assert!(shown.contains("4b 00 00 00 00 07"), "{shown}");
    let long = CodecKit::new(PROFILE, || Box::new(Knock(Fault::None)));
    let long = flaw(&long.sample("long", vec![b'Q'; 5000]));
    assert!(long.to_string().ends_with("and 4488 bytes more"), "{long}");
}

#[test]
fn a_kit_without_samples_still_tries_what_the_codec_says_by_itself() {
    let kit = CodecKit::new(PROFILE, || Box::new(Knock(Fault::NoGoAway)));
    assert_eq!(flaw(&kit).law, Law::GoAway);
    let kit = CodecKit::new(CodecProfile::DEFAULT, || Box::new(Knock(Fault::NoGoAway)));
    assert_eq!(kit.check().map(|tried| tried.frames), Ok(0));
}

/// A plugin whose codecs are those of [`Knock`].
struct Knocks(bool);

impl Plugin for Knocks {
    type Config = bool;

    const CODEC: CodecProfile = PROFILE;

    fn start(speaks: bool, _host: &Host<'_>) -> Result<Self, Refusal> {
        Ok(Self(speaks))
    }

    fn codec(&mut self, _host: &Host<'_>) -> Option<Box<dyn Codec>> {
        self.0.then(|| Box::new(Knock(Fault::None)) as _)
    }
}

#[test]
fn the_codecs_of_a_started_plugin_are_tried() {
    let host = TestHost::start::<Knocks>("true").expect("it starts");
    assert_eq!(host.codec_profile(), PROFILE);
    let request = knock::request(0, 7, 500, &[], b"hello");
    let tried = CodecKit::of(host).sample("a request", request).mutations(10).assert_sound();
    assert_eq!((tried.frames, tried.mutations), (1, 10));
    let silent = TestHost::start::<Knocks>("false").expect("it starts");
    assert!(silent.codec().is_none());
}

#[test]
fn changes_are_the_same_for_a_seed_and_reach_every_part() {
    let bytes: Vec<u8> = (0..100).collect();
    let all = |seed| {
        let mut mutations = Mutations::new(seed);
        (0..2000).map(|_| mutations.mutant(&bytes, b"others").bytes).collect::<Vec<_>>()
    };
    assert_eq!(all(1), all(1));
    assert_ne!(all(1), all(2));
    let touched = (0..100).filter(|at| all(1).iter().any(|m| m.get(*at) != bytes.get(*at)));
    assert_eq!(touched.count(), 100);
    assert!(all(1).iter().any(|mutant| mutant.len() < 50));
    assert!(all(1).iter().any(|mutant| mutant.len() > 100));
    let mut empty = Mutations::new(1);
    (0..100).for_each(|_| drop(empty.mutant(b"", b"")));
}
