//! Streams that are not the child's own, and fields that are not its business.

use mortise_sdk::{Response, Stream, StreamId};

use super::Could;

/// Numbers of streams that it tries.
const STREAMS: u64 = 64;
/// Fields that frame and route messages, and some that no message can carry.
const FIELDS: [(&str, &str); 14] = [
    (":path", "/other"),
    (":authority", "inside.example"),
    ("host", "inside.example"),
    ("content-length", "1"),
    ("transfer-encoding", "chunked"),
    ("connection", "x-case-kept"),
    ("te", "gzip"),
    ("upgrade", "h2c"),
    ("trailer", "x-case"),
    ("keep-alive", "timeout=1"),
    ("x-case", "1\r\nx-case-smuggled: yes"),
    ("x-case\r\nx-case-smuggled", "yes"),
    ("x case", "yes"),
    (":smuggled", "yes"),
];

/// Answers, changes, resumes and breaks off streams by numbers that it makes up.
pub(super) fn others(stream: &Stream<'_>) -> Could {
    let mut could = Could::new();
    let host = stream.host();
    for number in (0..STREAMS).chain(u64::MAX - STREAMS..=u64::MAX) {
        if number == stream.id().0 {
            continue;
        }
        let other = host.stream(StreamId(number));
        if other.request().set_header("x-case-smuggled", "yes").is_ok() {
            could.push("change");
        }
        if other.request().try_header(":path").is_ok_and(|path| path.is_some()) {
            could.push("read");
        }
        if other.respond(&Response::new(403)).is_ok() {
            could.push("answer");
        }
        other.resume_request();
        other.resume_response();
        other.reset();
    }
    could
}

/// Writes fields that frame and route.
pub(super) fn fields(stream: &Stream<'_>) -> Could {
    for (name, value) in FIELDS {
        // What comes of it the upstream sees: a refusal need not reach the plugin.
        let _unsaid = stream.request().set_header(name, value);
        let _unsaid = stream.request().add_header(name, value);
    }
    Could::new()
}
