//! The table of HTTP/1 payloads.

/// What a client sends, and what must come of it.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) wire: &'static str,
    pub(super) wanted: Wanted,
}

/// What must come of a payload. In all cases the connection ends.
#[derive(Debug)]
pub(super) enum Wanted {
    /// One reply with one of these statuses; nothing reaches the upstream.
    Refused(&'static [u16]),
    /// The upstream is sent these whole requests (`METHOD PATH BODY`), and all are answered.
    Passed(&'static [&'static str]),
    /// As `Passed`, or refused with 400.
    Either(&'static [&'static str]),
    /// No whole request reaches the upstream, and no reply is a success.
    Broken,
    /// The proxy answers by itself, in one of these ways.
    Answered(&'static [&'static [u16]]),
}

use Wanted::{Answered, Broken, Either, Passed, Refused};

const fn row(name: &'static str, wire: &'static str, wanted: Wanted) -> Row {
    Row { name, wire, wanted }
}

/// A head with `Host` whose other lines are given, followed by a request that would be evil.
macro_rules! post {
    ($fields:literal, $body:literal) => {
        concat!("POST /x HTTP/1.1\r\nHost: a\r\n", $fields, "\r\n", $body, evil!())
    };
}

/// As `post!`, and the next request is a good one that ends the connection.
macro_rules! good {
    ($fields:literal, $body:literal) => {
        concat!("POST /x HTTP/1.1\r\nHost: a\r\n", $fields, "\r\n", $body, last!())
    };
}

macro_rules! get {
    ($fields:literal) => {
        concat!("GET /x HTTP/1.1\r\n", $fields, "\r\n", evil!())
    };
}

macro_rules! line {
    ($line:literal) => {
        concat!($line, "\r\nHost: a\r\n\r\n", evil!())
    };
}

macro_rules! chunked {
    ($body:literal) => {
        concat!("POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", $body, evil!())
    };
}

macro_rules! evil {
    () => {
        "GET /EVIL HTTP/1.1\r\nHost: a\r\n\r\n"
    };
}

macro_rules! last {
    () => {
        "GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    };
}

const NO: Wanted = Refused(&[400]);
const NO_CODING: Wanted = Refused(&[400, 501]);
const NO_VERSION: Wanted = Refused(&[400, 505]);
const ONE_BODY: Wanted = Passed(&["POST /x body!", "GET /last"]);

/// All payloads.
pub(super) const ROWS: &[Row] = &[
    // Two lengths.
    row(
        "length and chunks",
        post!("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        NO,
    ),
    row(
        "chunks and length",
        post!("Transfer-Encoding: chunked\r\nContent-Length: 6\r\n", "0\r\n\r\n"),
        NO,
    ),
    row(
        "length 0 and chunks",
        post!("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        NO,
    ),
    row("the same length twice", post!("Content-Length: 5\r\nContent-Length: 5\r\n", "body!"), NO),
    row("two lengths", post!("Content-Length: 5\r\nContent-Length: 6\r\n", "body!"), NO),
    row(
        "two lengths in two cases",
        post!("Content-Length: 5\r\ncontent-LENGTH: 0\r\n", "body!"),
        NO,
    ),
    row("a list of one length", post!("Content-Length: 5, 5\r\n", "body!"), NO),
    row("a list of lengths", post!("Content-Length: 5, 0\r\n", "body!"), NO),
    // A length that is none.
    row("length with a plus", post!("Content-Length: +5\r\n", "body!"), NO),
    row("length below zero", post!("Content-Length: -5\r\n", "body!"), NO),
    row("length with an underscore", post!("Content-Length: 5_0\r\n", "body!"), NO),
    row("length in hex", post!("Content-Length: 0x5\r\n", "body!"), NO),
    row("length with a space inside", post!("Content-Length: 5 0\r\n", "body!"), NO),
    row("length with a dot", post!("Content-Length: 5.0\r\n", "body!"), NO),
    row("empty length", post!("Content-Length:\r\n", "body!"), NO),
    row("length past 64 bits", post!("Content-Length: 99999999999999999999999\r\n", "body!"), NO),
    row("length of 2^64", post!("Content-Length: 18446744073709551616\r\n", "body!"), NO),
    row("length with a NUL", post!("Content-Length: 5\0\r\n", "body!"), NO),
    row("length with a vertical tab", post!("Content-Length: \x0b5\r\n", "body!"), NO),
    row(
        "length with zeros in front",
        good!("Content-Length: 0005\r\n", "body!"),
        Either(&["POST /x body!", "GET /last"]),
    ),
    // A coding that is none, or not the only one.
    row("comma before chunked", post!("Transfer-Encoding: ,chunked\r\n", "0\r\n\r\n"), NO_CODING),
    row("comma behind chunked", post!("Transfer-Encoding: chunked,\r\n", "0\r\n\r\n"), NO_CODING),
    row(
        "chunked twice in a list",
        post!("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
        NO_CODING,
    ),
    row(
        "chunked twice",
        post!("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        NO_CODING,
    ),
    row(
        "identity and chunked",
        post!("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"),
        NO_CODING,
    ),
    row(
        "chunked and identity",
        post!("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"),
        NO_CODING,
    ),
    row(
        "chunked, then identity",
        post!("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
        NO_CODING,
    ),
    row(
        "gzip, then chunked",
        post!("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
        NO_CODING,
    ),
    row(
        "identity",
        post!("Transfer-Encoding: identity\r\nContent-Length: 5\r\n", "body!"),
        NO_CODING,
    ),
    row("xchunked", post!("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"), NO_CODING),
    row("chunkedx", post!("Transfer-Encoding: chunkedx\r\n", "0\r\n\r\n"), NO_CODING),
    row("quoted chunked", post!("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"), NO_CODING),
    row(
        "chunked with a parameter",
        post!("Transfer-Encoding: chunked;x=1\r\n", "0\r\n\r\n"),
        NO_CODING,
    ),
    row(
        "chunked behind a vertical tab",
        post!("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
        NO_CODING,
    ),
    row("chunked before a NUL", post!("Transfer-Encoding: chunked\0\r\n", "0\r\n\r\n"), NO_CODING),
    row("empty coding", post!("Transfer-Encoding:\r\nContent-Length: 5\r\n", "body!"), NO_CODING),
    row(
        "chunks in HTTP/1.0",
        "POST /x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /EVIL HTTP/1.1\r\nHost: a\r\n\r\n",
        NO_CODING,
    ),
    row(
        "chunks and length in HTTP/1.0",
        "POST /x HTTP/1.0\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /EVIL HTTP/1.1\r\n\r\n",
        NO_CODING,
    ),
    // Names and lines.
    row("space before the colon", post!("Content-Length : 5\r\n", "body!"), NO),
    row("tab before the colon", post!("Transfer-Encoding\t: chunked\r\n", "0\r\n\r\n"), NO),
    row("a folded value", post!("X-Long: a\r\n b\r\nContent-Length: 5\r\n", "body!"), NO),
    row("a folded coding", post!("Transfer-Encoding:\r\n chunked\r\n", "0\r\n\r\n"), NO),
    row("a first field that is folded", "POST /x HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n", NO),
    row("a field without a colon", get!("Host: a\r\nnonsense\r\n"), NO),
    row("a field without a name", get!("Host: a\r\n: x\r\n"), NO),
    row("a name with a NUL", get!("Host: a\r\nx\0y: z\r\n"), NO),
    row("a value with a NUL", get!("Host: a\r\nx: y\0z\r\n"), NO),
    row("a value with a bare CR", get!("Host: a\r\nx: y\rGET /EVIL HTTP/1.1\r\n"), NO),
    row("a name with a space", get!("Host: a\r\nx y: z\r\n"), NO),
    row("a name with a bracket", get!("Host: a\r\nx(y: z\r\n"), NO),
    row(
        "a request line that ends in LF",
        "GET /x HTTP/1.1\nHost: a\r\n\r\nGET /EVIL HTTP/1.1\r\nHost: a\r\n\r\n",
        NO,
    ),
    row("a field that ends in LF", get!("Host: a\nx: y\r\n"), NO),
    row(
        "a head that ends in LF",
        "GET /x HTTP/1.1\r\nHost: a\r\n\nGET /EVIL HTTP/1.1\r\nHost: a\r\n\r\n",
        NO,
    ),
    row("only LF", "GET /x HTTP/1.1\nHost: a\n\nGET /EVIL HTTP/1.1\nHost: a\n\n", NO),
    // Hosts.
    row("two hosts", get!("Host: a\r\nHost: b\r\n"), NO),
    row("the same host twice", get!("Host: a\r\nHost: a\r\n"), NO),
    row("no host", get!("x: y\r\n"), NO),
    row("a host with a space", get!("Host: a b\r\n"), NO),
    row("a host with a path", get!("Host: a/b\r\n"), NO),
    row("a host with a name and password", get!("Host: u:p@a\r\n"), NO),
    row("two hosts in a list", get!("Host: a, b\r\n"), NO),
    row("a host with a port that is none", get!("Host: a:x\r\n"), NO),
    // Request lines.
    row("a fragment", line!("GET /x#y HTTP/1.1"), NO),
    row(
        "an absolute target and another host",
        "GET http://b/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        Either(&["GET /x"]),
    ),
    row("an absolute target with a name and password", line!("GET http://u:p@a/x HTTP/1.1"), NO),
    row("a target without a slash", line!("GET x HTTP/1.1"), NO),
    row("a star that is no OPTIONS", line!("GET * HTTP/1.1"), NO),
    row("two spaces", line!("GET  /x HTTP/1.1"), NO),
    row("a space in the target", line!("GET /x y HTTP/1.1"), NO),
    row("a tab in the request line", line!("GET\t/x HTTP/1.1"), NO),
    row("a NUL in the target", line!("GET /x\0 HTTP/1.1"), NO),
    row("a bare CR in the target", line!("GET /x\rHost: HTTP/1.1"), NO),
    row("a method that is no token", line!("GE(T /x HTTP/1.1"), NO),
    row("a space before the method", line!(" GET /x HTTP/1.1"), NO),
    row("HTTP/1.32", line!("GET /x HTTP/1.32"), NO_VERSION),
    row("HTTP/2.0", line!("GET /x HTTP/2.0"), NO_VERSION),
    row("HTTP/0.9 with fields", line!("GET /x HTTP/0.9"), NO_VERSION),
    row("http in small letters", line!("GET /x http/1.1"), NO_VERSION),
    row("no version", line!("GET /x"), NO_VERSION),
    row(
        "a tunnel to somewhere",
        line!("CONNECT evil.example:443 HTTP/1.1"),
        Refused(&[400, 404, 405, 501]),
    ),
    // Chunks.
    row("chunk size in 0x", chunked!("0x5\r\nbody!\r\n0\r\n\r\n"), Broken),
    row("chunk size with a plus", chunked!("+5\r\nbody!\r\n0\r\n\r\n"), Broken),
    row("chunk size below zero", chunked!("-5\r\nbody!\r\n0\r\n\r\n"), Broken),
    row("chunk size with an underscore", chunked!("0_5\r\nbody!\r\n0\r\n\r\n"), Broken),
    row("a space before the chunk size", chunked!(" 5\r\nbody!\r\n0\r\n\r\n"), Broken),
    row("no chunk size", chunked!("\r\nbody!\r\n0\r\n\r\n"), Broken),
    row("a chunk size that is none", chunked!("zz\r\nbody!\r\n0\r\n\r\n"), Broken),
    row("a chunk size past 64 bits", chunked!("10000000000000005\r\nbody!\r\n0\r\n\r\n"), Broken),
    row("a chunk that is longer than its size", chunked!("5\r\nbody!!\r\n0\r\n\r\n"), Broken),
    row("a chunk that is shorter than its size", chunked!("6\r\nbody!\r\n0\r\n\r\n"), Broken),
    row("a chunk without its line end", chunked!("5\r\nbody!0\r\n\r\n"), Broken),
    row("a chunk size that ends in LF", chunked!("5\nbody!\r\n0\r\n\r\n"), Broken),
    row("a chunk size that ends in CR", chunked!("5\rbody!\r\n0\r\n\r\n"), Broken),
    row("a chunk that ends in LF", chunked!("5\r\nbody!\n0\r\n\r\n"), Broken),
    row("an extension that ends in LF", chunked!("5;x\nbody!\r\n0\r\n\r\n"), Broken),
    row("an extension with a bare CR", chunked!("5;x\ry\r\nbody!\r\n0\r\n\r\n"), Broken),
    row("an extension with a NUL", chunked!("5;x\0y\r\nbody!\r\n0\r\n\r\n"), Broken),
    row("a last chunk that ends in LF", chunked!("5\r\nbody!\r\n0\n\n"), Broken),
    row(
        "trailers with a field that is none",
        chunked!("5\r\nbody!\r\n0\r\nnonsense\r\n\r\n"),
        Broken,
    ),
    row(
        "trailers with a space before the colon",
        chunked!("5\r\nbody!\r\n0\r\nx : y\r\n\r\n"),
        Broken,
    ),
    row("trailers that end in LF", chunked!("5\r\nbody!\r\n0\r\nx: y\n\n"), Broken),
    // What is right passes, and its framing is ours.
    row(
        "two requests at once",
        "GET /x HTTP/1.1\r\nHost: a\r\n\r\nGET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        Passed(&["GET /x", "GET /last"]),
    ),
    row("an empty line before a request", concat!("\r\n", last!()), Passed(&["GET /last"])),
    row(
        "a body that looks like a request",
        good!("Content-Length: 22\r\n", "GET /EVIL HTTP/1.1\r\n\r\n"),
        Passed(&["POST /x GET /EVIL HTTP/1.1", "GET /last"]),
    ),
    row(
        "chunks",
        good!("Transfer-Encoding: chunked\r\n", "2\r\nbo\r\n3\r\ndy!\r\n0\r\n\r\n"),
        ONE_BODY,
    ),
    row(
        "chunks in capitals",
        good!("TRANSFER-ENCODING: CHUNKED\r\n", "5\r\nbody!\r\n0\r\n\r\n"),
        ONE_BODY,
    ),
    row(
        "chunked with blanks around",
        good!("Transfer-Encoding: \t chunked \t\r\n", "5\r\nbody!\r\n0\r\n\r\n"),
        ONE_BODY,
    ),
    row(
        "chunk extensions",
        good!("Transfer-Encoding: chunked\r\n", "5;a=b;c=\"d\"\r\nbody!\r\n0;e\r\n\r\n"),
        ONE_BODY,
    ),
    row(
        "many zeros",
        good!("Transfer-Encoding: chunked\r\n", "0000005\r\nbody!\r\n000\r\n\r\n"),
        ONE_BODY,
    ),
    row("length 0", good!("Content-Length: 0\r\n", ""), Passed(&["POST /x", "GET /last"])),
    row(
        "OPTIONS of the whole server",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        Answered(&[&[404]]),
    ),
    // A reply that is ours leaves no body behind to be read as a request.
    row(
        "a body behind our own reply",
        "POST /local HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\nGET /EVIL HTTP/1.1\r\nHost: a\r\nx: 1234\r\n\r\nGET /local HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        Answered(&[&[200], &[200, 200]]),
    ),
    row(
        "chunks behind our own reply",
        "POST /local HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n28\r\nGET /EVIL HTTP/1.1\r\nHost: a\r\nx: 1234\r\n\r\n\r\n0\r\n\r\nGET /local HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        Answered(&[&[200], &[200, 200]]),
    ),
    row(
        "broken chunks behind our own reply",
        concat!(
            "POST /local HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            evil!()
        ),
        Answered(&[&[], &[200], &[400], &[200, 400]]),
    ),
];
