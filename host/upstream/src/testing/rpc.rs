//! A tiny RPC protocol, its codec, and peers that speak it.
//!
//! A frame is its length in four bytes, a letter, an id of eight bytes and a body.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    rc::Rc,
};

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use host_extension::{
    Codec, CodecProfile, CodecStep, Decoded, Detection, FaultKind, FilterFactory, Phases,
    PluginFault, PoolMode, Rejection, ResponseTo, Rewrite,
};
use host_types::{Frame, FrameKind, IdWidth};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{Bench, Server, bench, server};
use crate::{
    Cluster, ClusterPlan, RpcError, RpcExchange, RpcProtocol, RpcResponse, RpcSession, RpcTried,
    UpstreamError,
};

const HEAD: usize = 13;

/// The letter of each kind. `m` and `x` are malformed, the latter so that it does not show that
/// it is a response.
const LETTERS: [(u8, FrameKind); 8] = [
    (b'q', FrameKind::Request),
    (b'o', FrameKind::OneWay),
    (b'r', FrameKind::Response),
    (b'm', FrameKind::Response),
    (b'x', FrameKind::Request),
    (b'h', FrameKind::Heartbeat),
    (b'p', FrameKind::HeartbeatReply),
    (b'g', FrameKind::GoAway),
];

/// The bytes of a frame.
pub(crate) fn wire(letter: u8, id: u64, body: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u32(u32::try_from(HEAD + body.len()).unwrap());
    bytes.put_u8(letter);
    bytes.put_u64(id);
    bytes.put_slice(body);
    bytes.freeze()
}

/// Makes the codecs of the protocol.
#[derive(Debug)]
pub(crate) struct Tiny {
    pub(crate) pool: PoolMode,
    pub(crate) heartbeats: bool,
    /// Codecs answer later.
    pub(crate) later: bool,
    /// Codecs have no heartbeat, although heartbeats may be sent.
    pub(crate) heartless: bool,
    /// Making a codec fails.
    pub(crate) no_codec: Cell<bool>,
    /// The instance that all codecs of before live in; true once it failed.
    pub(crate) instance: RefCell<Rc<Cell<bool>>>,
    /// Faults that it heard of.
    pub(crate) faults: RefCell<Vec<PluginFault>>,
}

impl Tiny {
    pub(crate) fn new(pool: PoolMode) -> Self {
        Self {
            pool,
            heartbeats: true,
            later: false,
            heartless: false,
            no_codec: Cell::new(false),
            instance: RefCell::default(),
            faults: RefCell::default(),
        }
    }

    /// The instance of all codecs so far fails; the next ones live in another.
    pub(crate) fn lose(&self) {
        self.instance.take().set(true);
    }
}

impl FilterFactory for Tiny {
    fn phases(&self) -> Phases {
        Phases::default()
    }

    fn codec(&self) -> Result<Rc<dyn Codec>, PluginFault> {
        if self.no_codec.get() {
            return Err(PluginFault::new(FaultKind::LoadFailed, "no codec today"));
        }
        let is_lost = Rc::clone(&self.instance.borrow());
        Ok(Rc::new(TinyCodec { later: self.later, heartless: self.heartless, is_lost }))
    }

    fn codec_profile(&self) -> CodecProfile {
        CodecProfile {
            pool: self.pool,
            id_width: IdWidth::Eight,
            heartbeats: self.heartbeats,
            ..CodecProfile::default()
        }
    }

    fn on_fault(&self, fault: &PluginFault) {
        self.faults.borrow_mut().push(fault.clone());
    }
}

#[derive(Debug)]
struct TinyCodec {
    later: bool,
    heartless: bool,
    is_lost: Rc<Cell<bool>>,
}

impl TinyCodec {
    fn step<T: 'static>(&self, answer: Result<T, PluginFault>) -> CodecStep<T> {
        if !self.later {
            return CodecStep::Ready(answer);
        }
        CodecStep::Later(Box::pin(async move {
            tokio::task::yield_now().await;
            answer
        }))
    }
}

impl Codec for TinyCodec {
    fn is_lost(&self) -> bool {
        self.is_lost.get()
    }

    fn detect(&self, _first: &[u8]) -> CodecStep<Detection> {
        CodecStep::ready(Detection::Match)
    }

    fn decode(&self, bytes: BytesMut) -> CodecStep<Decoded> {
        self.step(decode(bytes))
    }

    fn encode(&self, _rewrite: Rewrite<'_>) -> CodecStep<Option<Bytes>> {
        self.step(Ok(None))
    }

    fn heartbeat(&self, id: u64) -> CodecStep<Option<Bytes>> {
        self.step(Ok((!self.heartless).then(|| wire(b'h', id, b""))))
    }

    fn heartbeat_reply(&self, heartbeat: &Frame) -> CodecStep<Option<Bytes>> {
        self.step(Ok(Some(wire(b'p', heartbeat.id, b""))))
    }

    fn reject(&self, _rejection: Rejection<'_>) -> CodecStep<Option<Bytes>> {
        self.step(Ok(None))
    }
}

/// A body `fault` is one, and an unknown letter is the end of the framing.
fn decode(mut rest: BytesMut) -> Result<Decoded, PluginFault> {
    let mut frames = Vec::new();
    let (mut needed, mut response_to, mut lost) = (0, ResponseTo::Unknown, None);
    while rest.len() >= HEAD {
        let length = usize::try_from((&rest[..]).get_u32()).unwrap();
        let Some((_, kind)) = LETTERS.iter().find(|(letter, _)| *letter == rest[4]) else {
            lost = Some("an unknown letter".into());
            break;
        };
        if rest.len() < length {
            needed = length;
            response_to = match rest[4] {
                b'r' => ResponseTo::Request((&rest[5..]).get_u64()),
                b'm' => ResponseTo::NeedMore, // whose it is stands at the end of the body
                _ => ResponseTo::Unknown,
            };
            break;
        }
        let raw = rest.split_to(length).freeze();
        let malformed = matches!(raw[4], b'm' | b'x').then(|| "it says so itself".into());
        let (id, body) = ((&raw[5..]).get_u64(), raw.slice(HEAD..));
        if &body[..] == b"fault" {
            return Err(PluginFault::new(FaultKind::Trapped, "it was told to"));
        }
        frames.push(Frame { kind: *kind, id, body, raw, malformed, ..Frame::default() });
    }
    Ok(Decoded { frames, rest, needed, response_to, lost })
}

/// The upstream's side of a connection.
pub(crate) struct Peer(pub(crate) TcpStream);

/// A frame that a peer got.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Got {
    pub(crate) letter: u8,
    pub(crate) id: u64,
    pub(crate) body: String,
}

impl Peer {
    /// The next frame; none where the connection ended.
    pub(crate) async fn read(&mut self) -> Option<Got> {
        let length = self.0.read_u32().await.ok()?;
        let mut frame = vec![0; usize::try_from(length).unwrap() - 4];
        self.0.read_exact(&mut frame).await.ok()?;
        let id = (&frame[1..]).get_u64();
        let body = String::from_utf8(frame[9..].to_vec()).unwrap();
        Some(Got { letter: frame[0], id, body })
    }

    /// The next request; heartbeats are answered.
    pub(crate) async fn request(&mut self) -> Option<Got> {
        loop {
            let got = self.read().await?;
            match got.letter {
                b'h' => self.write(b'p', got.id, "").await,
                b'p' => {}
                _ => return Some(got),
            }
        }
    }

    pub(crate) async fn write(&mut self, letter: u8, id: u64, body: &str) {
        drop(self.0.write_all(&wire(letter, id, body.as_bytes())).await);
    }

    /// Answers a request with its own body.
    pub(crate) async fn answer(&mut self, got: &Got) {
        self.write(b'r', got.id, &got.body).await;
    }

    /// Answers all requests, one after the other, until the connection ends.
    pub(crate) async fn echo(mut self) {
        while let Some(got) = self.request().await {
            if got.letter == b'q' {
                self.answer(&got).await;
            }
        }
    }

    /// Waits until the other side closed.
    pub(crate) async fn closed(mut self) {
        while self.read().await.is_some() {}
    }
}

/// Calls `serve` for each connection with its number, from 1.
pub(crate) async fn peers<F>(serve: impl Fn(Peer, usize) -> F + 'static) -> Server
where
    F: Future<Output = ()> + 'static,
{
    server(move |stream, number| serve(Peer(stream), number)).await
}

/// A cluster and a client's connection in the protocol.
pub(crate) struct Caller {
    pub(crate) bench: Bench,
    pub(crate) tiny: Rc<Tiny>,
    pub(crate) session: RpcSession,
}

pub(crate) fn protocol(tiny: &Rc<Tiny>) -> RpcProtocol {
    let factory: Rc<dyn FilterFactory> = Rc::<Tiny>::clone(tiny);
    let profile = factory.codec_profile();
    RpcProtocol { name: "tiny".into(), factory, profile, frame_bytes_max: 64 * 1024 }
}

/// A caller of `plan`'s cluster.
pub(crate) fn caller(plan: ClusterPlan, tiny: Tiny) -> Rc<Caller> {
    let (tiny, session) = (Rc::new(tiny), RpcSession::default());
    Rc::new(Caller { bench: bench(plan), tiny, session })
}

impl Caller {
    pub(crate) async fn place(&self) -> Result<RpcExchange, UpstreamError> {
        self.place_of(&self.session, false).await
    }

    pub(crate) async fn place_of(
        &self,
        session: &RpcSession,
        want_new: bool,
    ) -> Result<RpcExchange, UpstreamError> {
        let cluster: &Cluster = &self.bench.cluster;
        cluster.rpc(&protocol(&self.tiny), session, want_new, &mut RpcTried::default()).await
    }

    /// A whole call, whose own id is `id`: the body of the response.
    pub(crate) async fn call(&self, id: u64, body: &str) -> Result<String, RpcError> {
        let place = self.place().await?;
        call_on(place, id, body).await.map(|response| text(&response))
    }

    /// The same in a task of its own.
    pub(crate) fn spawn(
        self: &Rc<Self>,
        id: u64,
        body: &'static str,
    ) -> tokio::task::JoinHandle<Result<String, RpcError>> {
        let caller = Rc::clone(self);
        tokio::task::spawn_local(async move { caller.call(id, body).await })
    }
}

pub(crate) async fn call_on(
    place: RpcExchange,
    id: u64,
    body: &str,
) -> Result<RpcResponse, RpcError> {
    let bytes = wire(b'q', place.id().unwrap_or(id), body.as_bytes());
    place.call(bytes, id).await
}

pub(crate) fn text(response: &RpcResponse) -> String {
    String::from_utf8(response.frame.body.to_vec()).unwrap()
}
