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

/// The largest manifest that is read: as many patterns as there may be, each with another number
/// for `#`, and exact names for the rest.
fn largest(pattern: &str) -> Vec<String> {
    let pattern = |number: usize| pattern.replace('#', &number.to_string());
    let patterns = (0..8).map(|number| format!("headers.request.read:{}", pattern(number)));
    let names = (0..248).map(|number| format!("headers.request.read:{:a<200}{number}", ""));
    patterns.chain(names).collect()
}

/// The time that one `headers()` of 1000 fields takes under such a manifest.
fn time_of_a_section(asked: &[String], name_bytes: usize) -> Duration {
    let asked: Vec<Permission> = asked.iter().map(|one| one.parse().unwrap()).collect();
    let rights = Rights::new(&Policy::default(), Some(&asked), "greet");
    let mut fields = http::HeaderMap::new();
    for number in 0..1000 {
        let name = format!("{:a<name_bytes$}{number}", "");
        fields.insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_static("1"));
    }
    let head = Headers::response(StatusCode::OK, fields);
    #[expect(clippy::disallowed_methods, reason = "a measurement")]
    let begun = Instant::now();
    black_box(super::super::sections::hidden(&rights, HEAD, black_box(&head)));
    begun.elapsed()
}

#[test]
#[ignore = "a measurement, to be run by hand"]
fn cost_of_the_largest_manifest() {
    let part = |bytes: usize| "a".repeat(bytes);
    let long = part(25);
    // All of them nearly match.
    let shapes = [
        ("many short parts", "*a*a*a*a*a*a*b#*".to_owned()),
        ("long parts", format!("*{long}*{long}*{long}*{long}*{long}*{long}b#*")),
        ("one part of 50", format!("*{}b#*", part(50))),
        ("one part of 100", format!("*{}b#*", part(100))),
        ("one part of 200", format!("*{}b#*", part(200))),
        ("a start", format!("{}b#*", part(200))),
        ("an end", format!("*b{}#", part(200))),
    ];
    for (what, shape) in shapes {
        let asked = largest(&shape);
        for name_bytes in [8, 60, 125, 250] {
            let times = (0..BATCHES).map(|_batch| time_of_a_section(&asked, name_bytes));
            let best = times.min().expect("some");
            writeln!(std::io::stderr(), "{what}, names of {name_bytes} bytes: {best:?}")
                .expect("an output");
        }
    }
}
