//! What the guard costs a call that is allowed: to be run by hand, with optimisation.

use std::{hint::black_box, io::Write, time::Instant};

use super::*;

const ROUNDS: u32 = 200_000;
const BATCHES: usize = 10;
const HEAD: HeaderMapKind = HeaderMapKind::RequestHeaders;

/// The time of one call in nanoseconds, in the batch that the machine disturbed least.
fn cost(mut call: impl FnMut()) -> f64 {
    let mut batch = || {
        #[expect(clippy::disallowed_methods, reason = "a measurement")]
        let begun = Instant::now();
        (0..ROUNDS).for_each(|_round| call());
        begun.elapsed().as_secs_f64() * 1e9 / f64::from(ROUNDS)
    };
    (0..BATCHES).map(|_batch| batch()).fold(f64::INFINITY, f64::min)
}

/// A host that does next to nothing.
struct Idle;

impl HostCalls for Idle {
    fn header(
        &self,
        _stream: &Stream,
        _map: HeaderMapKind,
        name: &[u8],
        show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        show(black_box(name));
        Ok(())
    }

    fn headers(
        &self,
        stream: &Stream,
        _map: HeaderMapKind,
        show: &mut dyn FnMut(&Headers),
    ) -> CallResult<()> {
        stream.request.headers.borrow().as_ref().into_iter().for_each(show);
        Ok(())
    }

    fn write_header(
        &self,
        _stream: &Stream,
        _map: HeaderMapKind,
        write: FieldWrite<'_>,
    ) -> CallResult<()> {
        black_box(write);
        Ok(())
    }

    fn body(&self, _: &Stream, _: Side, _: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        Ok(())
    }

    fn write_body(&self, _: &Stream, _: Side, _: usize, _: usize, _: &[u8]) -> CallResult<()> {
        Ok(())
    }

    fn property(&self, _subject: Subject<'_>, path: &[&[u8]]) -> CallResult<PropertyValue> {
        black_box(path);
        Ok(PropertyValue::Boolean(true))
    }

    fn set_property(&self, _: Subject<'_>, _: &[&[u8]], _: &[u8]) -> CallResult<()> {
        Ok(())
    }

    fn respond(&self, _: &Rc<Stream>, _: &str, _: LocalReply) -> CallResult<()> {
        Ok(())
    }

    fn reset(&self, _: &Rc<Stream>, _: &str) -> CallResult<()> {
        Ok(())
    }

    fn log(&self, _: &str, _: LogLevel, _: &str) {}

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

/// What one call costs behind the guard, and how much of that is the guard's.
fn compare(what: &str, policy: Policy, call: fn(&dyn HostCalls, &Bench)) -> f64 {
    let bench = set_up(Setup {
        policy,
        fields: vec![("accept", "*/*"), ("cookie", "secret"), ("x-a", "1"), ("x-b", "2")],
        ..Setup::default()
    });
    let bare: Rc<dyn HostCalls> = Rc::new(Idle);
    let guarded: Rc<dyn HostCalls> =
        Rc::new(Guard::new(bench.guard.gate.ward.as_ref().clone(), Rc::clone(&bare)));
    let without = cost(|| call(black_box(&*bare), &bench));
    let with = cost(|| call(black_box(&*guarded), &bench));
    let own = with - without;
    writeln!(std::io::stderr(), "{what}: {own:.1} ns by the guard ({with:.1} in all)")
        .expect("an output");
    own
}

#[test]
#[ignore = "a measurement, to be run by hand"]
fn cost_of_calls_that_are_allowed() {
    let get = |calls: &dyn HostCalls, bench: &Bench| {
        let _seen = calls.header(&bench.stream, HEAD, b"x-request-id", &mut |_| {});
    };
    let set = |calls: &dyn HostCalls, bench: &Bench| {
        let _set = calls.write_header(&bench.stream, HEAD, FieldWrite::Replace(b"x-a", b"1"));
    };
    let all = |calls: &dyn HostCalls, bench: &Bench| {
        let _seen = calls.headers(&bench.stream, HEAD, &mut |headers| {
            black_box(headers);
        });
    };
    let property = |calls: &dyn HostCalls, bench: &Bench| {
        let path: [&[u8]; 2] = [b"source", b"address"];
        let _seen = calls.property(Subject::Stream(&bench.stream), &path);
    };
    let whole = Policy::default;
    let narrow = || granting(&["headers.request:x-*", "properties.read:source.*"]);
    let gets = compare("get a field, all allowed", whole(), get);
    let sets = compare("set a field, all allowed", whole(), set);
    let sections = compare("read a section, all allowed", whole(), all);
    let properties = compare("read a property, all allowed", whole(), property);
    compare("get a field by a pattern", narrow(), get);
    compare("set a field by a pattern", narrow(), set);
    compare("read a section of which some is hidden", narrow(), all);
    compare("read a property by a pattern", narrow(), property);
    for own in [gets, sets, sections, properties] {
        assert!(cfg!(debug_assertions) || own < 15.0, "{own} ns");
    }
}
