use std::{mem::offset_of, ptr};

use super::{
    About, Answer, Calls, CodecEvent, ConnectionEvent, Event, Guest, StreamEvent, entry, mark,
    panics::catch,
};
use crate::{
    number::{Action, Detection, FIELDS_CHANGED, Kind, MAJOR, Refusal},
    table::{Bytes, CodecProfile, Field, Fields, Handle, Host, HttpAnswer, Rewrite},
};

struct Nothing;

impl Guest for Nothing {
    type Stream = ();
    type Connection = ();
    type Codec = ();
    const ABOUT: About = About { name: "nothing", version: "1.0.0", sdk: "", phases: 0 };

    fn start(_: &Calls, _: &str, config: &[u8], _: &mut u32) -> Result<Self, String> {
        assert!(config.is_empty(), "panics where it is told to");
        Ok(Self)
    }

    fn stream(&mut self, _: &Calls, _: u64) -> Option<()> {
        None
    }

    fn on_stream(&mut self, _: &Calls, (): &mut (), _: u64, _: StreamEvent) -> Action {
        Action::Continue
    }

    fn connection(&mut self, _: &Calls, _: u64) -> Option<()> {
        None
    }

    fn on_connection(&mut self, _: &Calls, (): &mut (), _: u64, _: ConnectionEvent) -> Action {
        Action::Continue
    }

    fn codec_profile(&mut self, profile: &mut CodecProfile) {
        profile.pool = 2;
    }

    fn codec(&mut self, _: &Calls, _: u64) -> Option<()> {
        Some(())
    }

    fn on_codec(&mut self, calls: &Calls, (): &mut (), event: CodecEvent<'_>) -> Action {
        match event {
            CodecEvent::Detect(first, detection) => {
                assert!(first != b"panic", "panics where it is told to");
                *detection = Detection::Match;
            }
            CodecEvent::Decode(bytes) => {
                assert_eq!(calls.codec_rest(bytes.len(), None), Err(Refusal::Unsupported));
            }
            CodecEvent::Encode(rewrite) => {
                let fields: Vec<_> = rewrite.fields.iter().collect();
                assert_eq!(fields, [(&b"name"[..], &b"value"[..])]);
                assert!(rewrite.fields_changed && !rewrite.body_changed);
            }
            CodecEvent::Heartbeat(_)
            | CodecEvent::HeartbeatReply(..)
            | CodecEvent::Reject(_)
            | CodecEvent::GoAway => {}
        }
        Action::Continue
    }

    fn on_event(&mut self, _: &Calls, _: Event) {
        panic!("always");
    }
}

/// What a table begins with.
#[repr(C)]
struct Head {
    size: u32,
    major: u16,
    minor: u16,
    rest: [u64; 64],
}

fn host(size: usize, major: u16) -> Head {
    Head { size: u32::try_from(size).expect("small"), major, minor: 0, rest: [0; 64] }
}

fn enter(host: &Head) -> *const crate::table::Plugin {
    // SAFETY: as long as it says, and no function of it is there.
    unsafe { entry::<Nothing>(ptr::from_ref(host).cast()) }
}

#[test]
fn only_hosts_that_have_what_is_needed_are_served() {
    assert!(!enter(&host(size_of::<Host>(), MAJOR)).is_null());
    assert!(!enter(&host(size_of::<Host>() + 8, MAJOR)).is_null(), "a newer one");
    assert!(enter(&host(size_of::<Host>(), MAJOR + 1)).is_null());
    assert!(enter(&host(offset_of!(Host, fail), MAJOR)).is_null());
    // SAFETY: nothing is asked for.
    assert!(unsafe { entry::<Nothing>(ptr::null()) }.is_null());
}

#[test]
fn panics_do_not_leave_a_function_even_where_nobody_can_be_told() {
    let host = host(size_of::<Host>(), MAJOR);
    // SAFETY: it was made above.
    let table = unsafe { &*enter(&host) };
    let (new, free) = (table.instance_new.expect("new"), table.instance_free.expect("free"));
    let handle = Handle { host: ptr::from_ref(&host).cast() };
    let none = Bytes::NONE;
    let mut phases = 0;
    // SAFETY: all is lent for the call, and the handle outlives the instance.
    let refused = unsafe { new(&raw const handle, none, Bytes::of(b"x"), &raw mut phases) };
    assert!(refused.is_null());
    // SAFETY: as above.
    let instance = unsafe { new(&raw const handle, none, none, &raw mut phases) };
    let tick = table.tick.expect("a tick");
    // SAFETY: the instance lives.
    assert_eq!(unsafe { tick(instance) }, Action::Failed.number());
    // SAFETY: as above.
    assert_eq!(unsafe { tick(instance) }, Action::Failed.number(), "it stays so");
    // SAFETY: it is given back once.
    unsafe { free(instance) };
}

#[test]
fn a_panic_is_told_with_its_place_in_so_many_words() {
    assert_eq!(catch(|| 7), Ok(7));
    let told = catch(|| panic!("once")).expect_err("it panics");
    assert!(told.starts_with("panicked at ") && told.ends_with(": once"), "{told}");
    assert!(told.contains("tests.rs:"), "{told}");
    let long = catch(|| panic!("{}", "ä".repeat(9000))).expect_err("it panics");
    assert!(long.len() < 1200, "{}", long.len());
    let strange = catch(|| std::panic::panic_any(7)).expect_err("it panics");
    assert!(strange.ends_with("(no text)"), "{strange}");
}

#[test]
fn a_payload_that_panics_as_it_is_dropped_harms_nobody() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("again");
        }
    }
    assert!(catch(|| std::panic::panic_any(Bomb)).is_err());
    assert_eq!(catch(|| 1), Ok(1));
}

#[test]
fn a_mark_has_the_bytes_that_a_file_is_searched_for() {
    let mark = mark(Kind::Rust);
    assert_eq!((&mark.magic, mark.kind), (b"MORTISE\0", 2));
}

#[test]
fn an_answer_that_has_less_than_is_read_is_none() {
    let bytes = u32::try_from(size_of::<HttpAnswer>()).expect("small");
    let answer = |size| {
        let none = Fields { data: ptr::null(), count: 0 };
        HttpAnswer { size, reserved: 0, headers: none, body: Bytes::of(b"body"), trailers: none }
    };
    for (size, expect) in [(0, None), (4, None), (bytes - 1, None), (bytes, Some(b"body".to_vec()))]
    {
        let answer = answer(size);
        // SAFETY: a whole one, whatever it says.
        let copy = unsafe { Answer::copy(&raw const answer) };
        assert_eq!(copy.map(|answer| answer.body), expect, "{size}");
    }
    // SAFETY: there is none.
    assert!(unsafe { Answer::copy(ptr::null()) }.is_none());
}

#[test]
fn a_codec_is_asked_over_the_table() {
    // A host of version 1.0 would not ask, and has no ear for what a codec tells.
    let host = host(offset_of!(Host, codec_frame), MAJOR);
    // SAFETY: it was made above.
    let table = unsafe { &*enter(&host) };
    let handle = Handle { host: ptr::from_ref(&host).cast() };
    let none = Bytes::NONE;
    let mut phases = 0;
    // SAFETY: all is lent for the call, and the handle outlives the instance.
    let instance =
        unsafe { table.instance_new.expect("new")(&raw const handle, none, none, &raw mut phases) };
    let size = |bytes: usize| u32::try_from(bytes).expect("small");
    let mut profile = CodecProfile {
        size: size(size_of::<CodecProfile>()),
        pool: 0,
        id_width: 4,
        flags: 0,
        default_timeout_ms: 0,
        reserved: 0,
    };
    let ask = table.codec_profile.expect("a profile");
    // SAFETY: a whole one.
    assert_eq!(unsafe { ask(instance, &raw mut profile) }, Action::Continue.number());
    assert_eq!(profile.pool, 2);
    profile.size = 8;
    // SAFETY: as above.
    assert_eq!(unsafe { ask(instance, &raw mut profile) }, Action::Failed.number());

    // SAFETY: the instance lives.
    let codec = unsafe { table.codec_new.expect("new")(instance, 1) };
    let decode = table.codec_decode.expect("a decoder");
    // SAFETY: all is lent for the call.
    let action = unsafe { decode(instance, codec, 1, Bytes::of(b"some")) };
    assert_eq!(action, Action::Continue.number());
    let fields = [Field { name: Bytes::of(b"name"), value: Bytes::of(b"value") }];
    let mut rewrite = Rewrite {
        size: size(size_of::<Rewrite>()),
        kind: 0,
        old_id: 1,
        id: 2,
        flags: FIELDS_CHANGED,
        reserved: 0,
        raw: none,
        fields: Fields::of(&fields),
        body: none,
    };
    let encode = table.codec_encode.expect("an encoder");
    // SAFETY: as above.
    let action = unsafe { encode(instance, codec, 1, &raw const rewrite) };
    assert_eq!(action, Action::Continue.number());
    rewrite.size -= 1;
    // SAFETY: as above.
    let action = unsafe { encode(instance, codec, 1, &raw const rewrite) };
    assert_eq!(action, Action::Failed.number(), "less than is read");

    let detect = table.codec_detect.expect("a detector");
    let mut detection = 7;
    // SAFETY: as above.
    let action = unsafe { detect(instance, codec, 1, Bytes::of(b"x"), &raw mut detection) };
    assert_eq!((action, detection), (Action::Continue.number(), Detection::Match.number()));
    // SAFETY: as above.
    let action = unsafe { detect(instance, codec, 1, Bytes::of(b"panic"), &raw mut detection) };
    assert_eq!((action, detection), (Action::Failed.number(), Detection::No.number()));
    // SAFETY: both are given back once.
    unsafe { table.codec_free.expect("free")(instance, codec) };
    // SAFETY: as above.
    unsafe { table.instance_free.expect("free")(instance) };
}
