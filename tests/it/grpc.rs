//! gRPC passes: unary, streams in both directions, errors in trailers.

use std::{future::Future, io, pin::Pin};

use futures_util::{Stream, StreamExt, stream};
use http::{Request, Response, uri::PathAndQuery};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tests_support::{BoxError, Config, Http, Proxy, TestBody, Upstream, within};
use tokio::sync::mpsc;
use tonic::{
    Code, Status, Streaming,
    server::{StreamingService, UnaryService},
    transport::Channel,
};
use tonic_prost::ProstCodec;

/// The only message.
#[derive(Clone, PartialEq, prost::Message)]
struct Note {
    #[prost(string, tag = "1")]
    text: String,
}

fn note(text: &str) -> Note {
    Note { text: text.to_owned() }
}

const SHOUT: &str = "/notes.Notes/Shout";
const CHAT: &str = "/notes.Notes/Chat";

type Answer<T> = Pin<Box<dyn Future<Output = Result<tonic::Response<T>, Status>> + Send + 'static>>;
type Notes = Pin<Box<dyn Stream<Item = Result<Note, Status>> + Send>>;

/// Answers in capitals; refuses what is empty.
struct Shout;

impl UnaryService<Note> for Shout {
    type Response = Note;
    type Future = Answer<Note>;

    fn call(&mut self, request: tonic::Request<Note>) -> Self::Future {
        Box::pin(async move {
            let from = request.metadata().get("x-from").cloned();
            let text = request.into_inner().text;
            if text.is_empty() {
                let mut status = Status::invalid_argument("nothing to shout");
                status.metadata_mut().insert("x-why", "empty".parse().expect("ascii"));
                return Err(status);
            }
            let mut response = tonic::Response::new(note(&text.to_uppercase()));
            if let Some(from) = from {
                response.metadata_mut().insert("x-to", from);
            }
            Ok(response)
        })
    }
}

/// Answers each note at once; `stop` ends the stream with an error.
struct Chat;

impl StreamingService<Note> for Chat {
    type Response = Note;
    type ResponseStream = Notes;
    type Future = Answer<Notes>;

    fn call(&mut self, request: tonic::Request<Streaming<Note>>) -> Self::Future {
        Box::pin(async move {
            let answers = request.into_inner().map(|note| {
                let note = note?;
                match note.text.as_str() {
                    "stop" => Err(Status::resource_exhausted("no more")),
                    text => Ok(Note { text: format!("you said {text}") }),
                }
            });
            let notes: Notes = Box::pin(answers);
            Ok(tonic::Response::new(notes))
        })
    }
}

/// Serves both methods.
pub(crate) async fn serve(request: Request<Incoming>) -> Result<Response<TestBody>, BoxError> {
    let mut grpc = tonic::server::Grpc::new(ProstCodec::<Note, Note>::default());
    let response = if request.uri().path() == SHOUT {
        grpc.unary(Shout, request).await
    } else {
        grpc.streaming(Chat, request).await
    };
    Ok(response.map(|body| body.map_err(io::Error::other).boxed_unsync()))
}

struct Call {
    grpc: tonic::client::Grpc<Channel>,
    _upstream: Upstream,
    proxy: Proxy,
}

impl Call {
    async fn start() -> Self {
        let upstream = Upstream::serve(Http::Two, serve).await;
        let config = Config::new()
            .listener("web", "routes: [{ match: { prefix: /notes.Notes }, cluster: app }]")
            .cluster("app", upstream.address(), "protocol: http2");
        let proxy = Proxy::start(&config).await;
        let endpoint = Channel::from_shared(format!("http://{}", proxy.web())).expect("a URI");
        let channel = within("connect", endpoint.connect()).await.expect("connected");
        Self { grpc: tonic::client::Grpc::new(channel), _upstream: upstream, proxy }
    }

    async fn shout(&mut self, text: &str) -> Result<tonic::Response<Note>, Status> {
        within("ready", self.grpc.ready()).await.expect("ready");
        let mut request = tonic::Request::new(note(text));
        request.metadata_mut().insert("x-from", "me".parse().expect("ascii"));
        let path = PathAndQuery::from_static(SHOUT);
        within("the answer", self.grpc.unary(request, path, ProstCodec::default())).await
    }

    async fn chat(&mut self) -> (mpsc::Sender<Note>, Streaming<Note>) {
        within("ready", self.grpc.ready()).await.expect("ready");
        let (say, said) = mpsc::channel(1);
        let said = stream::unfold(said, |mut said: mpsc::Receiver<Note>| async {
            said.recv().await.map(|note| (note, said))
        });
        let path = PathAndQuery::from_static(CHAT);
        let codec = ProstCodec::default();
        let call = self.grpc.streaming(tonic::Request::new(said), path, codec);
        let response = within("the stream", call).await.expect("a stream");
        (say, response.into_inner())
    }
}

async fn hear(answers: &mut Streaming<Note>) -> Result<Option<Note>, Status> {
    within("an answer", answers.message()).await
}

#[tokio::test]
async fn unary_calls_pass_with_metadata() {
    let mut call = Call::start().await;
    for text in ["a", "hello", &"x".repeat(300_000)] {
        let answer = call.shout(text).await.expect("an answer");
        assert_eq!(answer.metadata().get("x-to").map(|to| to.as_bytes()), Some(&b"me"[..]));
        assert_eq!(answer.into_inner().text, text.to_uppercase());
    }
}

#[tokio::test]
async fn an_error_arrives_with_its_status_message_and_metadata() {
    let mut call = Call::start().await;
    let status = call.shout("").await.expect_err("refused");
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "nothing to shout"));
    assert_eq!(status.metadata().get("x-why").map(|why| why.as_bytes()), Some(&b"empty"[..]));
}

#[tokio::test]
async fn both_directions_stream_at_once() {
    let mut call = Call::start().await;
    let (say, mut answers) = call.chat().await;
    for turn in 0..100 {
        say.send(note(&turn.to_string())).await.expect("heard");
        let answer = hear(&mut answers).await.expect("no error").expect("no end");
        assert_eq!(answer.text, format!("you said {turn}"));
    }
    drop(say);
    assert_eq!(hear(&mut answers).await.expect("no error"), None);
}

#[tokio::test]
async fn a_stream_that_fails_half_way_says_so_in_its_trailers() {
    let mut call = Call::start().await;
    let (say, mut answers) = call.chat().await;
    say.send(note("hi")).await.expect("heard");
    assert_eq!(hear(&mut answers).await.expect("no error"), Some(note("you said hi")));
    say.send(note("stop")).await.expect("heard");
    let status = hear(&mut answers).await.expect_err("an error");
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "no more"));
}

#[tokio::test]
async fn several_streams_share_a_connection() {
    let mut call = Call::start().await;
    let mut chats = Vec::new();
    for _ in 0..10 {
        chats.push(call.chat().await);
    }
    for (at, (say, _)) in chats.iter().enumerate() {
        say.send(note(&at.to_string())).await.expect("heard");
    }
    for (at, (_, answers)) in chats.iter_mut().enumerate().rev() {
        let answer = hear(answers).await.expect("no error").expect("no end");
        assert_eq!(answer.text, format!("you said {at}"));
    }
    let connections = call.proxy.metrics().await.sum("mortise_listener_connections_total", &[]);
    assert_eq!(connections, 1.0);
}
