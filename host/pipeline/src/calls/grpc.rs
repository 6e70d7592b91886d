//! gRPC streams of plugins to clusters that speak HTTP/2.
//!
//! One task per stream sends the request, unframes what comes and tells it event by event. What
//! the plugin sends waits in a [`SendQueue`] for the connection to take it; messages are cut
//! out of the answer's body in `frames.rs`, and what a status means is in `status.rs`.

mod frames;
mod queue;
mod status;

use std::{fmt, future::poll_fn, pin::Pin, rc::Rc, time::Duration};

use host_extension::{
    CallError, CallResult, GrpcEvent, GrpcMethod, GrpcStream, OnGrpcEvent, OutboundError, Pairs,
};
use host_types::Headers;
use host_upstream::{Body, Cluster, UpstreamProtocol};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Uri,
    header::{CONTENT_TYPE, TE},
    uri::{Authority, Parts, PathAndQuery, Scheme},
};
use http_body::Body as _;
use hyper::body::Incoming;

pub(crate) use self::status::code_of_http;
use self::{
    frames::{FrameError, Unframer},
    queue::SendQueue,
    status::{Status, encode_metadata},
};
use super::outbound::{Ending, Outbound, Share, Task, byte_size, cluster, send};
use crate::{forward, worker::Worker};

const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Opens a stream. Everything that comes of it is told from a task of its own.
pub(super) fn open(
    worker: &Rc<Worker>,
    outbound: &Outbound,
    method: &GrpcMethod,
    on_event: OnGrpcEvent,
) -> CallResult<Box<dyn GrpcStream>> {
    let cluster = cluster(worker, &method.cluster)?;
    if cluster.plan().protocol != UpstreamProtocol::Http2 {
        if outbound.may_tell_of_http2() {
            tracing::warn!(
                cluster = %cluster.plan().name,
                "a plugin calls gRPC on a cluster that speaks HTTP/1: set `protocol: http2` for \
                 it (told once)"
            );
        }
        return Err(CallError::BadArgument);
    }
    let head = request_head(method)?;
    let permit = outbound.call(byte_size(&method.metadata))?;
    let queue = SendQueue::new(outbound.bytes());
    let held = outbound.bytes();
    let frames = SendQueue::frames(&queue);
    let unsent = Rc::clone(&queue);
    let time = method.timeout;
    let ending = Ending::new(&cluster);
    let worker = Rc::clone(worker);
    let task = Task::start(async move {
        let request = head.map(|()| Body::stream(frames));
        let told = Told { on_event: &on_event, held };
        let end = match time {
            None => run(&worker, &cluster, request, told).await,
            Some(time) => tokio::time::timeout(time, run(&worker, &cluster, request, told))
                .await
                .unwrap_or_else(|_elapsed| Status::of(OutboundError::TimedOut)),
        };
        ending.with(end.failed);
        unsent.give_up(); // nobody would ever take it
        drop(permit);
        on_event(GrpcEvent::Closed { status: end.code, message: end.message });
    });
    Ok(Box::new(OpenStream { queue, _task: task }))
}

/// The plugin's side of a stream.
struct OpenStream {
    queue: Rc<SendQueue>,
    _task: Task,
}

impl GrpcStream for OpenStream {
    fn send(&self, message: &[u8], end: bool) -> CallResult<()> {
        self.queue.push(message, end)
    }

    fn close(&self) {
        self.queue.end();
    }
}

impl fmt::Debug for OpenStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenStream").field("queue", &self.queue).finish_non_exhaustive()
    }
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.queue.give_up();
    }
}

fn request_head(method: &GrpcMethod) -> CallResult<Request<()>> {
    let bad = |_invalid| CallError::BadArgument;
    let path = format!("/{}/{}", method.service, method.method);
    if method.service.is_empty() || method.method.is_empty() || path.contains(['?', '#']) {
        return Err(CallError::BadArgument);
    }
    let mut map = encode_metadata(&own_metadata(&method.metadata))?;
    forward::remove_hop_by_hop(&mut map);
    map.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    map.insert(TE, HeaderValue::from_static("trailers"));
    if let Some(time) = method.timeout {
        let text = HeaderValue::try_from(timeout_text(time));
        map.insert(GRPC_TIMEOUT, text.map_err(|_invalid| CallError::BadArgument)?);
    }
    let mut parts = Parts::default();
    parts.path_and_query = Some(PathAndQuery::try_from(path).map_err(bad)?);
    // A name that is no host is left to the endpoint's address.
    if let Ok(authority) = Authority::try_from(&*method.cluster) {
        parts.scheme = Some(Scheme::HTTP);
        parts.authority = Some(authority);
    }
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_invalid| CallError::BadArgument)?;
    *request.headers_mut() = map;
    Ok(request)
}

/// What belongs to the protocol, and to us. Other names with `grpc-` are for the peer.
const PROTOCOL_FIELDS: [&str; 10] = [
    "content-length",
    "content-type",
    "grpc-accept-encoding",
    "grpc-encoding",
    "grpc-message",
    "grpc-status",
    "grpc-status-details-bin",
    "grpc-timeout",
    "host",
    "te",
];

/// Metadata without the fields of the protocol.
fn own_metadata(pairs: &Pairs) -> Pairs {
    let ours = |name: &[u8]| {
        PROTOCOL_FIELDS.iter().any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
    };
    pairs.iter().filter(|(name, _)| !ours(name)).cloned().collect()
}

/// At most eight digits and a unit: milliseconds, or what is coarse enough.
fn timeout_text(time: Duration) -> String {
    const DIGITS: u128 = 99_999_999;
    let micros = time.as_micros();
    if micros <= DIGITS {
        return format!("{micros}u");
    }
    if micros / 1000 <= DIGITS {
        return format!("{}m", micros.div_ceil(1000));
    }
    format!("{}S", u128::from(time.as_secs()).min(DIGITS))
}

/// Sends the request and tells what comes, but for the end, which it gives back.
async fn run(worker: &Worker, cluster: &Cluster, request: Request<Body>, told: Told<'_>) -> Status {
    let response = match send(worker, cluster, request).await {
        Ok(response) => response,
        Err(OutboundError::TimedOut) => return Status::of(OutboundError::Unreachable),
        Err(error) => return Status::of(error),
    };
    let (parts, body) = response.message.into_parts();
    let mut head = parts.headers;
    forward::remove_hop_by_hop(&mut head);
    let end = tokio::select! {
        end = receive(parts.status, head, body, told) => end,
        () = worker.abort.wait() => Status::of(OutboundError::Reset),
    };
    drop(response.lease);
    end
}

/// Whom to tell what came, and the room for what cannot be told yet.
struct Told<'a> {
    on_event: &'a OnGrpcEvent,
    held: Share,
}

async fn receive(
    status: StatusCode,
    head: HeaderMap,
    mut body: Incoming,
    mut told: Told<'_>,
) -> Status {
    let on_event = told.on_event;
    if body.is_end_stream() || Status::is_in(&head) {
        // All that comes is in one head, which stands for the trailers.
        tell(on_event, GrpcEvent::InitialMetadata(Headers::trailers(HeaderMap::new()))).await;
        let end = Status::of_trailers(&head).unwrap_or_else(|| Status::of_http(status));
        tell(on_event, GrpcEvent::TrailingMetadata(Headers::trailers(head))).await;
        return end;
    }
    tell(on_event, GrpcEvent::InitialMetadata(Headers::trailers(head))).await;
    if status != StatusCode::OK {
        return Status::of_http(status);
    }
    let mut unframer = Unframer::default();
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(frame) = frame else { return Status::broken() };
        let frame = match frame.into_data() {
            Ok(data) => {
                if told.held.resize(unframer.held() + data.len()).is_err() {
                    return Status::of_frame(FrameError::TooLarge);
                }
                unframer.push(&data);
                if let Err(error) = messages(&mut unframer, on_event).await {
                    return Status::of_frame(error);
                }
                let shrunk = told.held.resize(unframer.held());
                debug_assert!(shrunk.is_ok(), "there is always room for less");
                continue;
            }
            Err(frame) => frame,
        };
        if unframer.is_within() {
            return Status::of_frame(FrameError::Cut);
        }
        let trailers = frame.into_trailers().unwrap_or_default();
        let end = Status::of_trailers(&trailers).unwrap_or_else(Status::missing);
        tell(on_event, GrpcEvent::TrailingMetadata(Headers::trailers(trailers))).await;
        return end;
    }
    if unframer.is_within() { Status::of_frame(FrameError::Cut) } else { Status::missing() }
}

async fn messages(unframer: &mut Unframer, on_event: &OnGrpcEvent) -> Result<(), FrameError> {
    while let Some(message) = unframer.next()? {
        tell(on_event, GrpcEvent::Message(message)).await;
    }
    Ok(())
}

/// Tells one event, and lets others go before the next: where the plugin let the stream go,
/// there is none.
async fn tell(on_event: &OnGrpcEvent, event: GrpcEvent) {
    on_event(event);
    tokio::task::yield_now().await;
}

#[cfg(test)]
mod tests;
