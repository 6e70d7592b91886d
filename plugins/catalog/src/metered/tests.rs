use std::{
    cell::Cell,
    future::poll_fn,
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use host_telemetry::Metrics;

use super::*;
use crate::fake::NoFrames;

/// A codec that answers `decode` later, and says whose a response is.
#[derive(Debug)]
struct Slow(NoFrames);

impl Codec for Slow {
    fn detect(&self, first: &[u8]) -> CodecStep<Detection> {
        self.0.detect(first)
    }

    fn decode(&self, bytes: BytesMut) -> CodecStep<Decoded> {
        let step = self.0.decode(bytes);
        CodecStep::Later(Box::pin(async move {
            let mut polls = 0..1;
            poll_fn(|_context| polls.next().map_or(Poll::Ready(()), |_first| Poll::Pending)).await;
            step.answer().await
        }))
    }

    fn encode(&self, rewrite: Rewrite<'_>) -> CodecStep<Option<Bytes>> {
        self.0.encode(rewrite)
    }

    fn heartbeat_reply(&self, heartbeat: &Frame) -> CodecStep<Option<Bytes>> {
        self.0.heartbeat_reply(heartbeat)
    }

    fn reject(&self, rejection: Rejection<'_>) -> CodecStep<Option<Bytes>> {
        self.0.reject(rejection)
    }

    fn is_lost(&self) -> bool {
        true
    }
}

/// A codec whose clock goes on by a second with each look at it.
fn metered() -> (Metered, Arc<PluginMetrics>) {
    let metrics = Metrics::new().worker(0).plugin(&"p".into(), "wasm");
    let time = Cell::new(Duration::ZERO);
    let clock: MonotonicClock = Rc::new(move || {
        time.set(time.get() + Duration::from_secs(1));
        time.get()
    });
    (Metered::new(Rc::new(Slow(NoFrames::default())), &metrics, &clock), metrics)
}

#[test]
fn every_call_is_counted_once_it_is_answered() {
    let (codec, metrics) = metered();
    let now = |step| assert!(matches!(step, CodecStep::<Option<Bytes>>::Ready(Ok(_))));
    let (frame, fields) = (Frame::default(), host_types::FieldList::default());
    drop(codec.detect(b"x"));
    now(codec.encode(Rewrite { frame: &frame, id: 1, body_changed: false }));
    now(codec.heartbeat(1));
    now(codec.heartbeat_reply(&frame));
    let (status, message, body) = (503, "no", &[][..]);
    now(codec.reject(Rejection { request: &frame, status, message, fields: &fields, body }));
    now(codec.go_away());
    for (label, call) in CodecCall::NAMED {
        assert_eq!(metrics.codec_calls(call), u64::from(call != CodecCall::Decode), "{label}");
    }
}

#[test]
fn an_answer_that_comes_later_is_counted_when_it_is_there() {
    let (codec, metrics) = metered();
    let mut answer = pin!(codec.decode(BytesMut::from(&b"x"[..])).answer());
    let mut context = Context::from_waker(Waker::noop());
    assert!(answer.as_mut().poll(&mut context).is_pending());
    assert_eq!(metrics.codec_calls(CodecCall::Decode), 0);
    let Poll::Ready(Ok(decoded)) = answer.poll(&mut context) else { panic!("it is there") };
    assert_eq!(decoded.rest, &b"x"[..]);
    assert_eq!(metrics.codec_calls(CodecCall::Decode), 1);
    drop(codec.decode(BytesMut::new()));
    assert_eq!(metrics.codec_calls(CodecCall::Decode), 1, "nobody waited for it");
}

#[test]
fn all_else_is_what_the_codec_says() {
    let (codec, _metrics) = metered();
    assert!(codec.is_lost());
    assert_eq!(format!("{codec:?}"), format!("{:?}", Slow(NoFrames::default())));
}
