use std::{cell::RefCell, io::Write, rc::Rc, time::SystemTime};

use flate2::{Compression, write::ZlibEncoder};
use host_extension::{
    BodyKind, CallError, CallResult, FieldWrite, HeaderMapKind, HostCalls, LocalReply, LogLevel,
    PropertyValue, Stream, Subject,
};

use super::{FOREIGN_ARGUMENT_BYTES_MAX, FOREIGN_RESULT_BYTES_MAX, call_foreign};

/// A host on which properties can be set, and nothing else.
#[derive(Default)]
struct Host(RefCell<Vec<Set>>);

/// A path with its value.
type Set = (Vec<u8>, Vec<u8>);

const NOT_HERE: CallError = CallError::Unsupported;

impl HostCalls for Host {
    fn header(
        &self,
        _stream: &Stream,
        _map: HeaderMapKind,
        _name: &[u8],
        _show: &mut dyn FnMut(&[u8]),
    ) -> CallResult<()> {
        Err(NOT_HERE)
    }

    fn headers(
        &self,
        _stream: &Stream,
        _map: HeaderMapKind,
        _show: &mut dyn FnMut(&host_types::Headers),
    ) -> CallResult<()> {
        Err(NOT_HERE)
    }

    fn write_header(
        &self,
        _stream: &Stream,
        _map: HeaderMapKind,
        _write: FieldWrite<'_>,
    ) -> CallResult<()> {
        Err(NOT_HERE)
    }

    fn body(&self, _: &Stream, _: BodyKind, _: &mut dyn FnMut(&[u8])) -> CallResult<()> {
        Err(NOT_HERE)
    }

    fn write_body(
        &self,
        _stream: &Stream,
        _body: BodyKind,
        _start: usize,
        _length: usize,
        _with: &[u8],
    ) -> CallResult<()> {
        Err(NOT_HERE)
    }

    fn property(&self, _subject: Subject<'_>, _path: &[&[u8]]) -> CallResult<PropertyValue> {
        Err(NOT_HERE)
    }

    fn set_property(&self, _subject: Subject<'_>, path: &[&[u8]], value: &[u8]) -> CallResult<()> {
        self.0.borrow_mut().push((path.join(&b'/'), value.to_vec()));
        Ok(())
    }

    fn respond(&self, _stream: &Rc<Stream>, _plugin: &str, _reply: LocalReply) -> CallResult<()> {
        Err(NOT_HERE)
    }

    fn reset(&self, _stream: &Rc<Stream>, _plugin: &str) -> CallResult<()> {
        Err(NOT_HERE)
    }

    fn log(&self, _plugin: &str, _level: LogLevel, _line: &str) {}

    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }
}

fn call(host: &Host, name: &str, argument: &[u8]) -> CallResult<Vec<u8>> {
    let mut shown = None;
    let mut show = |bytes: &[u8]| shown = Some(bytes.to_vec());
    call_foreign(host, Subject::Host, name.as_bytes(), argument, &mut show)?;
    Ok(shown.expect("a result is shown"))
}

#[track_caller]
fn check(name: &str, argument: &[u8], expect: CallResult<&[u8]>) {
    let host = Host::default();
    assert_eq!(call(&host, name, argument).as_deref(), expect.as_deref(), "{name}");
    assert_eq!(*host.0.borrow(), [], "{name} touches nothing");
}

#[test]
fn an_unknown_function_is_not_found() {
    for name in ["", "compres", "compress\0", "sign"] {
        check(name, b"", Err(CallError::NotFound));
    }
}

#[test]
fn what_was_compressed_comes_back() {
    let host = Host::default();
    for plain in [&b""[..], b"a", &b"mortise ".repeat(10_000)] {
        let packed = call(&host, "compress", plain).expect("it can be compressed");
        assert_eq!(packed.first(), Some(&0x78), "in zlib's format");
        assert!(packed.len() < plain.len() / 2 + 32);
        assert_eq!(call(&host, "uncompress", &packed).as_deref(), Ok(plain));
    }
}

#[test]
fn what_is_no_zlib_or_breaks_off_is_a_bad_argument() {
    let host = Host::default();
    let packed = call(&host, "compress", b"some text").expect("it can be compressed");
    check("uncompress", b"", Err(CallError::BadArgument));
    check("uncompress", b"no zlib", Err(CallError::BadArgument));
    check("uncompress", &packed[..packed.len() - 1], Err(CallError::BadArgument));
    let mut wrong = packed;
    *wrong.last_mut().expect("not empty") ^= 1;
    check("uncompress", &wrong, Err(CallError::BadArgument));
}

#[test]
fn a_small_argument_cannot_become_an_endless_result() {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    let part = vec![0; FOREIGN_ARGUMENT_BYTES_MAX];
    for _ in 0..FOREIGN_RESULT_BYTES_MAX / part.len() {
        encoder.write_all(&part).expect("a vector takes it");
    }
    let exact = encoder.finish().expect("a vector takes it");
    let plain = call(&Host::default(), "uncompress", &exact).expect("as much as may be");
    assert_eq!(plain.len(), FOREIGN_RESULT_BYTES_MAX);

    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&plain).expect("a vector takes it");
    encoder.write_all(b"x").expect("a vector takes it");
    let more = encoder.finish().expect("a vector takes it");
    check("uncompress", &more, Err(CallError::LimitReached));
}

#[test]
fn a_large_argument_is_refused() {
    // It is not interrupted, so 4 MiB would take more than a tenth of a second.
    const { assert!(FOREIGN_ARGUMENT_BYTES_MAX <= 256 << 10 && FOREIGN_RESULT_BYTES_MAX <= 1 << 20) };
    let large = vec![0; FOREIGN_ARGUMENT_BYTES_MAX + 1];
    for name in ["compress", "uncompress", "clear_route_cache"] {
        check(name, &large, Err(CallError::LimitReached));
    }
}

#[test]
fn filter_state_is_a_property() {
    let host = Host::default();
    let argument = b"\x0a\x04a.b\xc3"; // a path that is no text
    assert_eq!(call(&host, "set_envoy_filter_state", argument), Err(CallError::BadArgument));
    let argument = b"\x0a\x03a.b\x12\x02\x00\xff\x18\x01";
    assert_eq!(call(&host, "set_envoy_filter_state", argument), Ok(Vec::new()));
    assert_eq!(*host.0.borrow(), [(b"filter_state/a.b".to_vec(), b"\x00\xff".to_vec())]);
}

#[test]
fn a_message_that_makes_no_sense_is_a_bad_argument() {
    for name in ["set_envoy_filter_state", "declare_property"] {
        check(name, b"", Err(CallError::BadArgument)); // no name
        check(name, b"\x0a\x09a", Err(CallError::BadArgument)); // breaks off
        check(name, b"\xff\xff", Err(CallError::BadArgument));
    }
}

#[test]
fn what_other_hosts_need_and_this_one_does_not_is_accepted() {
    check("clear_route_cache", b"", Ok(b""));
    check("declare_property", b"\x0a\x01a\x10\x01\x1a\x00\x20\x01", Ok(b""));
}
