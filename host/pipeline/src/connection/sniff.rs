//! What a connection speaks, told from its first bytes; none of them is lost.
//!
//! On a listener with codecs these are asked first, in their order, in `sniff/codecs.rs`.

mod codecs;

use host_net::PrefixedIo;
use host_types::Limits;
use tokio::time::{Instant, timeout_at};

pub(super) use self::codecs::{Asked, ask_codecs};
use super::ClientIo;

/// What HTTP/2 connections begin with (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Longest method that is looked for.
const METHOD_BYTES_MAX: usize = 24;

/// What a connection speaks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sniffed {
    Http1,
    Http2,
    Other,
}

/// Reads until it is clear what the connection speaks. `None` where it ended first, or kept
/// silent past the timeouts. What cannot be HTTP is `Http1` all the same (and answered 400),
/// unless `may_be_bytes`.
pub(super) async fn sniff(
    io: &mut PrefixedIo<ClientIo>,
    may_be_bytes: bool,
    limits: &Limits,
) -> Option<Sniffed> {
    let mut deadline = Instant::now() + limits.idle_timeout;
    loop {
        if let Some(sniffed) = decide(io.prefix(), may_be_bytes) {
            return Some(sniffed);
        }
        let first = io.prefix().is_empty();
        let read = timeout_at(deadline, io.fill(HTTP2_PREFACE.len())).await;
        if first {
            deadline = Instant::now() + limits.header_timeout;
        }
        match read {
            Ok(Ok(read)) if read > 0 => {}
            // Bytes that end before they are clear are bytes, if anything.
            Ok(Ok(_)) if may_be_bytes && !io.prefix().is_empty() => return Some(Sniffed::Other),
            // Protocols in which the server speaks first never send a byte before that.
            Err(_silent) if may_be_bytes => return Some(Sniffed::Other),
            Ok(_) | Err(_) => return None,
        }
    }
}

/// What the first bytes say, if they say it already.
fn decide(bytes: &[u8], may_be_bytes: bool) -> Option<Sniffed> {
    if bytes.starts_with(HTTP2_PREFACE) {
        return Some(Sniffed::Http2);
    }
    if HTTP2_PREFACE.starts_with(bytes) {
        return None;
    }
    if !may_be_bytes {
        return Some(Sniffed::Http1);
    }
    let method = bytes.iter().take_while(|byte| byte.is_ascii_uppercase()).count();
    match bytes.get(method) {
        Some(b' ') if method > 0 => Some(Sniffed::Http1),
        None if method <= METHOD_BYTES_MAX => None,
        Some(_) | None => Some(Sniffed::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::{Sniffed, decide};

    #[track_caller]
    fn check(bytes: &str, may_be_bytes: bool, expect: Option<Sniffed>) {
        assert_eq!(decide(bytes.as_bytes(), may_be_bytes), expect, "{bytes:?}");
    }

    #[test]
    fn the_first_bytes_tell_the_protocol() {
        for may_be_bytes in [false, true] {
            check("", may_be_bytes, None);
            check("PRI * HT", may_be_bytes, None);
            check("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nx", may_be_bytes, Some(Sniffed::Http2));
            check("GET / HTTP/1.1", may_be_bytes, Some(Sniffed::Http1));
        }
        check("PO", true, None);
        check("PO", false, Some(Sniffed::Http1));
        check("\x16\x03\x01", true, Some(Sniffed::Other));
        check("\x16\x03\x01", false, Some(Sniffed::Http1));
        check("get / HTTP/1.1", true, Some(Sniffed::Other));
        check("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", true, Some(Sniffed::Other));
    }
}
