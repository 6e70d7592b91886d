//! More than its share.

use std::io::{self, Write as _};

use mortise_sdk::{Host, LogLevel, Response};

use super::Could;

const LINES: usize = 10_000;
const CHUNK: usize = 1 << 20;
/// Where it stops by itself: on a machine where nothing holds it.
const CHUNKS_MAX: usize = 4096;

/// Writes lines to the log through the proxy, and to its standard error.
pub(super) fn flood_log(host: &Host<'_>) -> Could {
    let line = "a line of many\r\nforged line of somebody else\u{1b}[2J\0\u{202e}end";
    let mut error = io::stderr();
    for _each in 0..LINES {
        host.log(LogLevel::Warn, line);
        drop(writeln!(error, "{line}"));
    }
    Could::new()
}

/// Takes memory, and writes to all of it.
pub(super) fn take_memory() -> Could {
    let mut all = Vec::new();
    for chunk in 0..CHUNKS_MAX {
        // Where there is no more of it the allocator ends the process.
        all.push(vec![u8::try_from(chunk % 251).unwrap_or(1) | 1; CHUNK]);
    }
    let sum: usize =
        all.iter().filter_map(|chunk| chunk.last()).map(|byte| usize::from(*byte)).sum();
    if sum == 0 { Could::new() } else { vec!["take-4-gib"] }
}

/// Never returns.
pub(super) fn never_return() -> Could {
    loop {
        std::hint::spin_loop();
    }
}

/// A response as large as the SDK lets one be.
pub(super) fn huge_answer() -> Response {
    let mut response = Response::new(200).body(vec![b'x'; 14 << 20]);
    for _each in 0..1000 {
        response = response.header("x-large", vec![b'x'; 900]);
    }
    response
}
