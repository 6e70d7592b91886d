//! A small protocol of frames with a codec that does as it is told, a client and peers.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::{Buf as _, Bytes, BytesMut};
use host_extension::{
    Codec, CodecProfile, CodecStep, Decoded, Detection, FaultKind, FilterFactory, FilterUse,
    InstanceSpec, OnError, Phases, PluginFault, Rejection, Rewrite,
};
use host_telemetry::{Metrics, PluginMetrics};
use host_types::{FieldList, Frame, FrameKind, FrameStatus, IdPlace, IdWidth};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::yield_now,
};

use super::upstream;
use crate::{ChainEntry, CodecSource, CodecUse};

/// Bytes before the fields: magic, kind, length, id, timeout in milliseconds, status, length of
/// the fields.
const HEAD_BYTES: usize = 16;

/// One frame, as a test writes and reads it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Wire {
    pub(crate) magic: u8,
    /// `q` request, `o` one-way, `r` response, `h` heartbeat, `H` its reply, `g` go away, `x` a
    /// request that is malformed, `y` such a response; all else is none of the protocol.
    pub(crate) kind: u8,
    pub(crate) id: u32,
    pub(crate) timeout_ms: u16,
    pub(crate) status: u16,
    /// Lines `name=value`; `service` and `method` name what is called.
    pub(crate) fields: String,
    pub(crate) body: String,
}

impl Wire {
    pub(crate) fn new(kind: u8, id: u32) -> Self {
        Self { magic: b'K', kind, id, ..Self::default() }
    }

    /// `service/method`, with a body.
    pub(crate) fn request(id: u32, path: &str, body: &str) -> Self {
        let (service, method) = path.split_once('/').unwrap_or((path, "m"));
        let fields = format!("service={service}\nmethod={method}\n");
        Self { fields, body: body.to_owned(), ..Self::new(b'q', id) }
    }

    pub(crate) fn response(id: u32, body: &str) -> Self {
        Self { status: 200, body: body.to_owned(), ..Self::new(b'r', id) }
    }

    pub(crate) fn kind(self, kind: u8) -> Self {
        Self { kind, ..self }
    }

    pub(crate) fn with(mut self, line: &str) -> Self {
        self.fields += line;
        self.fields += "\n";
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let length = HEAD_BYTES + self.fields.len() + self.body.len();
        let mut bytes = vec![self.magic, self.kind];
        bytes.extend(u32::try_from(length).unwrap().to_be_bytes());
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(self.timeout_ms.to_be_bytes());
        bytes.extend(self.status.to_be_bytes());
        bytes.extend(u16::try_from(self.fields.len()).unwrap().to_be_bytes());
        bytes.extend(self.fields.as_bytes());
        bytes.extend(self.body.as_bytes());
        bytes
    }

    fn parse(frame: &[u8]) -> Self {
        let mut head = &frame[..HEAD_BYTES];
        let (magic, kind, _length, id) =
            (head.get_u8(), head.get_u8(), head.get_u32(), head.get_u32());
        let (timeout_ms, status) = (head.get_u16(), head.get_u16());
        let (fields, body) = frame[HEAD_BYTES..].split_at(head.get_u16().into());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { magic, kind, id, timeout_ms, status, fields: text(fields), body: text(body) }
    }

    /// `kind id status body`, and the fields.
    pub(crate) fn told(&self) -> String {
        let Self { kind, id, status, fields, body, .. } = self;
        format!("{}{id} {status} {body} {}", char::from(*kind), fields.replace('\n', ";"))
    }
}

/// The other end of a connection.
pub(crate) struct Talk {
    pub(crate) io: TcpStream,
    read: BytesMut,
}

impl Talk {
    pub(crate) fn new(io: TcpStream) -> Self {
        Self { io, read: BytesMut::new() }
    }

    pub(crate) async fn to(address: SocketAddr) -> Self {
        Self::new(TcpStream::connect(address).await.unwrap())
    }

    pub(crate) async fn send(&mut self, frame: &Wire) {
        self.send_all(std::slice::from_ref(frame)).await;
    }

    /// In one write.
    pub(crate) async fn send_all(&mut self, frames: &[Wire]) {
        let bytes: Vec<u8> = frames.iter().flat_map(Wire::bytes).collect();
        self.io.write_all(&bytes).await.unwrap();
    }

    /// The next frame; `None` where the connection ended.
    pub(crate) async fn next(&mut self) -> Option<Wire> {
        loop {
            let length = self.read.get(2..6).map(|length| length.try_into().unwrap());
            let length = length.map(|length| u32::from_be_bytes(length) as usize);
            if let Some(length) = length.filter(|length| self.read.len() >= *length) {
                return Some(Wire::parse(&self.read.split_to(length)));
            }
            let read = self.io.read_buf(&mut self.read).await;
            if read.is_err() || read.is_ok_and(|count| count == 0) {
                return None;
            }
        }
    }

    /// The next frame in words.
    pub(crate) async fn told(&mut self) -> String {
        self.next().await.map_or_else(|| "end".to_owned(), |frame| frame.told())
    }

    pub(crate) async fn ask(&mut self, frame: &Wire) -> String {
        self.send(frame).await;
        self.told().await
    }

    /// Goes away so that the other side hears of it as a failure.
    pub(crate) fn reset(self) {
        self.io.set_zero_linger().unwrap();
    }
}

/// What peers got, in order.
pub(crate) type Heard = Rc<RefCell<Vec<Wire>>>;

/// A peer that answers each request at once with its body, and writes down what it got.
pub(crate) async fn echo() -> (SocketAddr, Heard) {
    let heard = Heard::default();
    let hears = Rc::clone(&heard);
    let (address, _) = upstream(move |stream| {
        let hears = Rc::clone(&hears);
        answer_all(Talk::new(stream), hears)
    })
    .await;
    (address, heard)
}

async fn answer_all(mut talk: Talk, hears: Heard) {
    while let Some(frame) = talk.next().await {
        hears.borrow_mut().push(frame.clone());
        if frame.kind == b'q' {
            let answer = Wire::response(frame.id, &format!("re {}", frame.body));
            talk.send(&answer.with("by=peer")).await;
        }
    }
}

/// What a codec does at a call.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Mood {
    #[default]
    Well,
    /// It answers at another turn of the loop.
    Later,
    /// It never answers.
    Never,
    Fails,
}

/// A codec that does as it is told.
#[derive(Clone)]
pub(crate) struct CodecFake {
    pub(crate) name: &'static str,
    pub(crate) magic: u8,
    pub(crate) profile: CodecProfile,
    /// Bytes that it needs to know its own frames.
    pub(crate) detect_bytes: usize,
    pub(crate) decoding: Rc<Cell<Mood>>,
    /// No codec of it can be made.
    pub(crate) making: Mood,
    /// Most codecs of it that can be made, and how many were.
    pub(crate) codecs_max: u32,
    pub(crate) made: Rc<Cell<u32>>,
    /// It has no words for a refusal.
    pub(crate) is_speechless: bool,
    /// It writes nothing that was changed.
    pub(crate) is_read_only: bool,
    pub(crate) no_id_place: bool,
    /// What it says that it needs of a frame that has not begun.
    pub(crate) needed_ahead: usize,
    pub(crate) faults: Rc<RefCell<Vec<PluginFault>>>,
    pub(crate) encoded: Rc<Cell<u32>>,
    pub(crate) metrics: Arc<PluginMetrics>,
}

impl CodecFake {
    pub(crate) fn new() -> Self {
        Self::named("fake", b'K')
    }

    pub(crate) fn named(name: &'static str, magic: u8) -> Self {
        Self {
            name,
            magic,
            profile: CodecProfile::default(),
            detect_bytes: 1,
            decoding: Rc::default(),
            making: Mood::Well,
            codecs_max: u32::MAX,
            made: Rc::default(),
            is_speechless: false,
            is_read_only: false,
            no_id_place: false,
            needed_ahead: 0,
            faults: Rc::default(),
            encoded: Rc::default(),
            metrics: Metrics::new().worker(0).plugin(&name.into(), "fake"),
        }
    }

    pub(crate) fn entry(&self) -> ChainEntry {
        ChainEntry {
            plugin: self.name.into(),
            on_error: OnError::Closed,
            factory: Rc::new(self.clone()),
            metrics: Arc::clone(&self.metrics),
        }
    }

    pub(crate) fn used(&self) -> CodecUse {
        let spec = InstanceSpec::default();
        let plugin = FilterUse { plugin: self.name.into(), spec, on_error: OnError::Closed };
        CodecUse { name: self.name.into(), source: CodecSource::Plugin(plugin) }
    }

    fn whole(&self, mut bytes: BytesMut) -> Decoded {
        let mut decoded = Decoded::default();
        loop {
            match bytes.as_ref() {
                [] => break,
                [magic, ..] if *magic != self.magic => {
                    decoded.lost = Some("another magic".into());
                    break;
                }
                [_, kind, ..] if !b"qorhHgxy".contains(kind) => {
                    decoded.lost = Some("another kind".into());
                    break;
                }
                _ => {}
            }
            let Some(length) = bytes.get(2..6) else { break };
            let length = u32::from_be_bytes(length.try_into().unwrap()) as usize;
            if bytes.len() < length {
                decoded.needed = length;
                break;
            }
            decoded.frames.push(self.frame(bytes.split_to(length).freeze()));
        }
        if bytes.is_empty() {
            decoded.needed = self.needed_ahead;
        }
        decoded.rest = bytes;
        decoded
    }

    fn frame(&self, raw: Bytes) -> Frame {
        let wire = Wire::parse(&raw);
        let (kind, malformed) = match wire.kind {
            b'q' => (FrameKind::Request, None),
            b'o' => (FrameKind::OneWay, None),
            b'r' => (FrameKind::Response, None),
            b'h' => (FrameKind::Heartbeat, None),
            b'H' => (FrameKind::HeartbeatReply, None),
            b'g' => (FrameKind::GoAway, None),
            b'x' => (FrameKind::Request, Some("it is crooked".into())),
            _ => (FrameKind::Response, Some("it is crooked".into())),
        };
        let mut fields = FieldList::new(raw.clone());
        let (mut service, mut method) = (Box::default(), Box::default());
        for line in wire.fields.lines() {
            let (name, value) = line.split_once('=').unwrap();
            match name {
                "service" => service = value.into(),
                "method" => method = value.into(),
                _ => {}
            }
            fields.push(name.as_bytes(), value.as_bytes());
        }
        fields.push_attribute(":magic", &[wire.magic]);
        let place = IdPlace { offset: 6, width: IdWidth::Four, little_endian: false };
        Frame {
            kind,
            id: wire.id.into(),
            id_place: (!self.no_id_place).then_some(place),
            service,
            method,
            timeout: (wire.timeout_ms > 0).then(|| Duration::from_millis(wire.timeout_ms.into())),
            status: FrameStatus { code: wire.status.into(), http: wire.status.max(200) },
            fields,
            body: raw.slice(HEAD_BYTES + wire.fields.len()..),
            raw,
            malformed,
            keep: None,
        }
    }

    fn wire(&self, kind: u8, id: u64) -> Wire {
        Wire { magic: self.magic, ..Wire::new(kind, u32::try_from(id).unwrap()) }
    }
}

fn lines<'a>(fields: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    fields.map(|(name, value)| format!("{}={}\n", text(name), text(value))).collect()
}

impl std::fmt::Debug for CodecFake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl FilterFactory for CodecFake {
    fn phases(&self) -> Phases {
        Phases::NONE
    }

    fn codec(&self) -> Result<Rc<dyn Codec>, PluginFault> {
        self.made.set(self.made.get() + 1);
        if self.making == Mood::Fails || self.made.get() > self.codecs_max {
            return Err(PluginFault::new(FaultKind::LoadFailed, "it is not there"));
        }
        Ok(Rc::new(self.clone()))
    }

    fn codec_profile(&self) -> CodecProfile {
        self.profile
    }

    fn on_fault(&self, fault: &PluginFault) {
        self.faults.borrow_mut().push(fault.clone());
    }
}

impl Codec for CodecFake {
    fn detect(&self, first: &[u8]) -> CodecStep<Detection> {
        let is_own = first.first() == Some(&self.magic);
        CodecStep::ready(match is_own {
            true if first.len() < self.detect_bytes => Detection::NeedMore,
            true => Detection::Match,
            false => Detection::No,
        })
    }

    fn decode(&self, bytes: BytesMut) -> CodecStep<Decoded> {
        match self.decoding.get() {
            Mood::Well => CodecStep::ready(self.whole(bytes)),
            Mood::Later => {
                let decoded = self.whole(bytes);
                CodecStep::Later(Box::pin(async {
                    yield_now().await;
                    Ok(decoded)
                }))
            }
            Mood::Never => CodecStep::Later(Box::pin(std::future::pending())),
            Mood::Fails => CodecStep::Ready(Err(PluginFault::new(FaultKind::Trapped, "boom"))),
        }
    }

    fn encode(&self, rewrite: Rewrite<'_>) -> CodecStep<Option<Bytes>> {
        if self.is_read_only {
            return CodecStep::ready(None);
        }
        self.encoded.set(self.encoded.get() + 1);
        let frame = rewrite.frame;
        let fields = lines(frame.fields.block());
        let body = String::from_utf8(frame.body.to_vec()).unwrap();
        let id = u32::try_from(rewrite.id).unwrap();
        let wire = Wire { id, fields, body, ..Wire::parse(&frame.raw) };
        CodecStep::ready(Some(wire.bytes().into()))
    }

    fn heartbeat_reply(&self, heartbeat: &Frame) -> CodecStep<Option<Bytes>> {
        CodecStep::ready(Some(self.wire(b'H', heartbeat.id).bytes().into()))
    }

    fn reject(&self, rejection: Rejection<'_>) -> CodecStep<Option<Bytes>> {
        if self.is_speechless {
            return CodecStep::ready(None);
        }
        let mut wire = self.wire(b'r', rejection.request.id);
        wire.status = rejection.status;
        wire.fields = lines(rejection.fields.block());
        wire.body = if rejection.body.is_empty() {
            rejection.message.to_owned()
        } else {
            String::from_utf8(rejection.body.to_vec()).unwrap()
        };
        CodecStep::ready(Some(wire.bytes().into()))
    }

    fn go_away(&self) -> CodecStep<Option<Bytes>> {
        CodecStep::ready(self.profile.go_away.then(|| self.wire(b'g', 0).bytes().into()))
    }
}
