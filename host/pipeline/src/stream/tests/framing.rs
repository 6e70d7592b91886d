//! Whatever a filter writes into heads and trailers, the messages on the wire have one reading:
//! what it wrote is refused or becomes one field, and what frames a message is the pipeline's.

mod strict;

use std::cell::Cell;

use host_upstream::UpstreamProtocol;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, TestRunner},
};
use tokio::{net::TcpStream, sync::Notify};

use self::strict::{Field, HOP_BY_HOP, Kind, Message};
use super::*;
use crate::testing::http2;

const CASES: usize = 150;
const BODY: &[u8] = b"hello";

/// What one side of the proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Speaks {
    Http1,
    Http2,
}

/// The sides: downstream and upstream.
const SIDES: [[Speaks; 2]; 4] = [
    [Speaks::Http1, Speaks::Http1],
    [Speaks::Http1, Speaks::Http2],
    [Speaks::Http2, Speaks::Http1],
    [Speaks::Http2, Speaks::Http2],
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum How {
    Add,
    Replace,
    Remove,
    SetAll,
}

/// One write of the filter.
#[derive(Clone, Debug)]
struct Op {
    map: HeaderMapKind,
    how: How,
    name: Vec<u8>,
    value: Vec<u8>,
}

/// How the length of a message is known.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Length {
    Announced,
    Chunked,
}

#[derive(Clone, Debug)]
struct Case {
    ops: Vec<Op>,
    request: Length,
    response: Length,
    /// The filter holds head and body to the end.
    holds: bool,
}

/// What the upstream and the filter saw of a case.
#[derive(Default)]
struct Seen {
    case: RefCell<Option<Case>>,
    /// What became of each write.
    written: RefCell<Vec<bool>>,
    upstream: RefCell<Vec<Result<Message, String>>>,
    /// Connections of the upstream that are still read.
    open: Cell<usize>,
    closed: Notify,
}

struct Bench {
    world: World,
    speaks: Speaks,
    seen: Rc<Seen>,
}

fn maps(side: Side, trailers: bool) -> HeaderMapKind {
    match (side, trailers) {
        (Side::Request, false) => HeaderMapKind::RequestHeaders,
        (Side::Request, true) => HeaderMapKind::RequestTrailers,
        (Side::Response, false) => HeaderMapKind::ResponseHeaders,
        (Side::Response, true) => HeaderMapKind::ResponseTrailers,
    }
}

impl Seen {
    fn case(&self) -> Case {
        self.case.borrow().clone().expect("a case runs")
    }

    /// Writes what the case says of a section.
    fn write(&self, stream: &Stream, map: HeaderMapKind) {
        for Op { how, name, value, .. } in self.case().ops.iter().filter(|op| op.map == map) {
            let pairs = [(name.as_slice(), value.as_slice())];
            let write = match how {
                How::Add => FieldWrite::Add(name, value),
                How::Replace => FieldWrite::Replace(name, value),
                How::Remove => FieldWrite::Remove(name),
                How::SetAll => FieldWrite::SetAll(&pairs),
            };
            self.written.borrow_mut().push(calls().write_header(stream, map, write).is_ok());
        }
    }

    fn filter(self: &Rc<Self>) -> Fake {
        let seen = Rc::clone(self);
        Fake::new(&Log::default(), "a").answering(move |side, hook, stream| {
            let end = match hook {
                Hook::Headers { end } => {
                    seen.write(stream, maps(side, false));
                    end
                }
                Hook::Body { end } => {
                    if end {
                        seen.write(stream, maps(side, true));
                    }
                    end
                }
                Hook::Trailers => {
                    seen.write(stream, maps(side, true));
                    true
                }
            };
            if seen.case().holds && !end { Verdict::Hold.into() } else { Step::CONTINUE }
        })
    }

    /// Reads one request and nothing behind it, and answers.
    async fn serve_http1(self: Rc<Self>, mut stream: TcpStream) {
        self.open.set(self.open.get() + 1);
        let mut bytes = Vec::new();
        let read = loop {
            match strict::read(&bytes, Kind::Request, false) {
                Ok(None) => {}
                read => break read,
            }
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                break Err("cut off".to_owned());
            }
        };
        let answer = match self.case().response {
            Length::Announced => "content-length: 5\r\n\r\nhello",
            Length::Chunked => "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        };
        let answer = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n{answer}");
        drop(stream.write_all(answer.as_bytes()).await);
        drop(stream.shutdown().await);
        let used = read.as_ref().ok().and_then(Option::as_ref).map_or(0, |(_, used)| *used);
        drop(stream.read_to_end(&mut bytes).await);
        let read = match read {
            Ok(Some((message, _))) if used == bytes.len() => Ok(message),
            Ok(_) => Err(format!("behind it: {}", bytes[used..].escape_ascii())),
            Err(why) => Err(format!("{why}: {}", bytes.escape_ascii())),
        };
        self.upstream.borrow_mut().push(read);
        self.open.set(self.open.get() - 1);
        self.closed.notify_one();
    }

    async fn serve_http2(self: Rc<Self>, stream: TcpStream) {
        let service = hyper::service::service_fn(move |request: Request<Incoming>| {
            let seen = Rc::clone(&self);
            async move {
                let (parts, body) = request.into_parts();
                let start = format!("{} {}", parts.method, parts.uri.path());
                let read = whole(start, &parts.headers, body).await;
                seen.upstream.borrow_mut().push(read);
                let body = bytes::Bytes::from_static(BODY);
                Ok::<_, std::convert::Infallible>(Response::new(http_body_util::Full::new(body)))
            }
        });
        let io = hyper_util::rt::TokioIo::new(stream);
        let builder = hyper::server::conn::http2::Builder::new(http2::Executor);
        drop(builder.serve_connection(io, service).await);
    }
}

/// A message of HTTP/2, which its reader took, as far as it can be taken for another one.
async fn whole(start: String, map: &http::HeaderMap, body: Incoming) -> Result<Message, String> {
    let collected = body.collect().await.map_err(|error| format!("the body: {error}"))?;
    let trailers = collected.trailers().map(fields_of).unwrap_or_default();
    let (fields, body) = (fields_of(map), collected.to_bytes().to_vec());
    let message = Message { start, fields, body, trailers };
    for (name, value) in message.fields.iter().chain(&message.trailers) {
        if HOP_BY_HOP.contains(&name.as_str()) && (name != "te" || value != b"trailers") {
            return Err(format!("{name} in HTTP/2"));
        }
        if value.trim_ascii() != value {
            return Err(format!("white space around the value of {name}"));
        }
    }
    if let Some(length) = message.one("content-length")?
        && length != message.body.len().to_string().as_bytes()
    {
        return Err(format!("a length of {}", length.escape_ascii()));
    }
    Ok(message)
}

fn fields_of(map: &http::HeaderMap) -> Vec<Field> {
    map.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}

impl Bench {
    async fn start([down, up]: [Speaks; 2]) -> Self {
        let seen = Rc::<Seen>::default();
        let serving = Rc::clone(&seen);
        let (address, _) = upstream(move |stream| {
            let seen = Rc::clone(&serving);
            async move {
                match up {
                    Speaks::Http1 => seen.serve_http1(stream).await,
                    Speaks::Http2 => seen.serve_http2(stream).await,
                }
            }
        })
        .await;
        let protocol = match up {
            Speaks::Http1 => UpstreamProtocol::Http1,
            Speaks::Http2 => UpstreamProtocol::Http2,
        };
        let listener_filters = vec![seen.filter()];
        let setup = Setup { protocol, listener_filters, ..Setup::to(address) };
        Self { world: setup.start().await, speaks: down, seen }
    }

    /// Plays a case: what the client was answered, where it was.
    async fn play(&self, case: &Case) -> Result<Message, String> {
        self.seen.case.replace(Some(case.clone()));
        self.seen.written.take();
        self.seen.upstream.take();
        let answer = match self.speaks {
            Speaks::Http1 => self.play_http1(case).await,
            Speaks::Http2 => self.play_http2().await,
        };
        while self.seen.open.get() > 0 {
            self.seen.closed.notified().await;
        }
        answer
    }

    async fn play_http1(&self, case: &Case) -> Result<Message, String> {
        let body = match case.request {
            Length::Announced => "content-length: 5\r\n\r\nhello",
            Length::Chunked => "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        };
        let head = "POST / HTTP/1.1\r\nhost: app.test\r\nx-request-id: 1\r\nconnection: close\r\n";
        let mut client = self.world.send(&format!("{head}{body}")).await;
        let mut bytes = Vec::new();
        drop(client.read_to_end(&mut bytes).await);
        if bytes.is_empty() {
            return Err("reset".into());
        }
        let shown = || bytes.escape_ascii().to_string();
        match strict::read(&bytes, Kind::Response, true) {
            Ok(Some((message, used))) if used == bytes.len() => Ok(message),
            Ok(_) => panic!("more or less than one response: {} of {case:?}", shown()),
            Err(why) => panic!("{why}: {} of {case:?}", shown()),
        }
    }

    async fn play_http2(&self) -> Result<Message, String> {
        let mut sender = http2::connect(&self.world).await;
        let request = Request::builder().method("POST").uri("http://app.test/");
        let request = request.header("x-request-id", "1");
        let body = Body::Full(bytes::Bytes::from_static(BODY));
        let sent = sender.send_request(request.body(body).unwrap()).await;
        let (parts, body) = sent.map_err(|error| error.to_string())?.into_parts();
        whole(parts.status.to_string(), &parts.headers, body).await
    }

    /// What the upstream and the client read of a case that is answered.
    async fn both(&self, case: &Case) -> [Message; 2] {
        let answer = self.play(case).await.unwrap_or_else(|why| panic!("{why} of {case:?}"));
        let mut seen = self.upstream(case);
        assert_eq!(seen.len(), 1, "{case:?}");
        [seen.remove(0), answer]
    }

    /// What the upstream read; whatever it was, it had one reading.
    fn upstream(&self, case: &Case) -> Vec<Message> {
        let seen = self.seen.upstream.take().into_iter();
        seen.map(|read| read.unwrap_or_else(|why| panic!("{why} of {case:?}"))).collect()
    }
}

fn arbitrary_bytes() -> impl Strategy<Value = Vec<u8>> {
    let hostile = prop::sample::select(vec![
        &b"a\r\nx-evil: 1"[..],
        b"a\nx-evil: 1",
        b"a\rx-evil: 1",
        b"a\0b",
        b" a ",
        b"\ta\t",
        b"",
        b" ",
        b"a: b",
        b"a\r\n\r\nGET /evil HTTP/1.1\r\nhost: evil\r\n\r\n",
        b"\xff\xfe",
        "\u{202e}gnp".as_bytes(),
    ]);
    prop_oneof![
        2 => prop::collection::vec(any::<u8>(), 0..20),
        1 => prop::collection::vec(0x20_u8..0x7f, 0..20),
        2 => hostile.prop_map(<[u8]>::to_vec),
    ]
}

fn lengths() -> impl Strategy<Value = Length> {
    prop_oneof![Just(Length::Announced), Just(Length::Chunked)]
}

/// One write of any bytes, into a head.
fn any_field() -> impl Strategy<Value = Case> {
    let name = prop_oneof![
        3 => "x-[a-zA-Z0-9!#$%&'*+.^_`|~-]{1,12}".prop_map(String::into_bytes),
        1 => arbitrary_bytes(),
    ];
    let map =
        prop_oneof![Just(HeaderMapKind::RequestHeaders), Just(HeaderMapKind::ResponseHeaders)];
    let how = prop_oneof![Just(How::Add), Just(How::Replace)];
    (map, how, name, arbitrary_bytes(), lengths(), lengths(), any::<bool>()).prop_map(
        |(map, how, name, value, request, response, holds)| Case {
            ops: vec![Op { map, how, name, value }],
            request,
            response,
            holds,
        },
    )
}

/// Names that frame a message, belong to a connection or change what a message is.
const NAMES: &[&str] = &[
    "content-length",
    "Content-Length",
    "transfer-encoding",
    "connection",
    "te",
    "trailer",
    "upgrade",
    "host",
    "keep-alive",
    "proxy-connection",
    "http2-settings",
    "expect",
    ":status",
    ":protocol",
];

/// What such a field says, rightly or wrongly.
const VALUES: &[&str] = &[
    "0",
    "5",
    "4",
    "999999",
    "-1",
    "+5",
    "5, 5",
    "5,4",
    "0x5",
    "05",
    "5 ",
    "",
    "chunked",
    "Chunked",
    "identity",
    "gzip, chunked",
    "chunked, chunked",
    "\u{b}chunked",
    "close",
    "keep-alive",
    "upgrade",
    "upgrade, http2-settings",
    "content-length",
    "transfer-encoding",
    "host",
    "x-a, te",
    "trailers",
    "deflate",
    "websocket",
    "h2c",
    "HTTP/2.0",
    "100-continue",
    "app.test",
    "evil.test",
    "a b",
    "user@evil.test",
    "evil.test/..",
    "timeout=5",
    "101",
    "100",
    "204",
    "304",
    "205",
    "200",
];

/// Several writes of what frames messages, wherever.
fn framing_fields() -> impl Strategy<Value = Case> {
    let (name, value) = (prop::sample::select(NAMES), prop::sample::select(VALUES));
    let map = prop_oneof![
        4 => Just(HeaderMapKind::RequestHeaders),
        4 => Just(HeaderMapKind::ResponseHeaders),
        1 => Just(HeaderMapKind::RequestTrailers),
        1 => Just(HeaderMapKind::ResponseTrailers),
    ];
    let how = prop_oneof![
        4 => Just(How::Add), 4 => Just(How::Replace), 1 => Just(How::Remove), 1 => Just(How::SetAll)
    ];
    let op = (map, how, name, value).prop_map(|(map, how, name, value)| Op {
        map,
        how,
        name: name.into(),
        value: value.into(),
    });
    (prop::collection::vec(op, 1..5), lengths(), lengths(), any::<bool>())
        .prop_map(|(ops, request, response, holds)| Case { ops, request, response, holds })
}

/// Cases of a strategy, others in each run.
fn cases<T>(strategy: impl Strategy<Value = T>) -> impl Iterator<Item = T> {
    let mut runner = TestRunner::new(Config::default());
    std::iter::repeat_with(move || strategy.new_tree(&mut runner).expect("a case").current())
        .take(CASES)
}

/// Fields that the pipeline writes itself, or that change what a message is.
fn is_the_pipelines(name: &str) -> bool {
    let own = ["host", "content-length", "trailer", "expect", "cookie", "x-request-id", "date"];
    name.starts_with(':')
        || name.starts_with("x-forwarded-")
        || own.contains(&name)
        || HOP_BY_HOP.contains(&name)
}

/// Fields in an order of their own.
fn sorted(mut message: Message) -> Message {
    message.fields.retain(|(name, _)| name != "date");
    message.fields.sort();
    message
}

#[test]
fn what_a_filter_writes_is_refused_or_becomes_one_well_formed_field() {
    for sides in SIDES {
        local(async {
            let bench = Bench::start(sides).await;
            for case in cases(any_field()) {
                let op = &case.ops[0];
                let name = String::from_utf8_lossy(&op.name).to_ascii_lowercase();
                if is_the_pipelines(&name) {
                    continue;
                }
                let plain = Case { ops: Vec::new(), ..case.clone() };
                let mut expect = bench.both(&plain).await;
                let got = bench.both(&case).await;
                if bench.seen.written.take() == [true] {
                    let side = usize::from(op.map == HeaderMapKind::ResponseHeaders);
                    expect[side].fields.push((name, op.value.trim_ascii().to_vec()));
                }
                assert_eq!(got.map(sorted), expect.map(sorted), "{sides:?} {case:?}");
            }
        });
    }
}

#[test]
fn what_frames_a_message_is_the_pipelines_whatever_a_filter_writes() {
    for sides in SIDES {
        local(async {
            let bench = Bench::start(sides).await;
            let mut answered = 0;
            for case in cases(framing_fields()) {
                let response = bench.play(&case).await;
                let requests = bench.upstream(&case);
                assert!(requests.len() <= 1, "{sides:?} {case:?}");
                assert!(requests.iter().all(|one| one.body == BODY), "{requests:?} of {case:?}");
                if let Ok(response) = response {
                    answered += 1;
                    let whole = response.body == BODY || !response.start.contains("200");
                    assert!(whole, "{sides:?} {response:?} of {case:?}");
                }
            }
            assert!(answered > CASES / 2, "{sides:?}: {answered} of {CASES} were answered");
        });
    }
}
