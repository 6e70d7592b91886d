mod policy;

use std::cell::RefCell;

use host_extension::LocalReply;

use super::*;
use crate::testing::{Fake, Log, WAIT_MAX, chain, later, never, stream, told};

const HEAD: Hook = Hook::Headers { end: false };

fn fault() -> PluginFault {
    PluginFault::new(FaultKind::Crashed, "gone")
}

#[tokio::test]
async fn a_filter_is_made_for_its_first_hook_and_completed_once() {
    let log = Log::default();
    let fakes = [Fake::new(&log, "a"), Fake::new(&log, "b")];
    let (chain, stream) = (chain(&fakes), stream());
    chain.call(0, Side::Request, HEAD, &stream).await.unwrap();
    chain.call(0, Side::Response, HEAD, &stream).await.unwrap();
    chain.complete(&stream);
    assert_eq!(log.take(), ["a>head", "a<head", "a done"]);
    assert_eq!(fakes.each_ref().map(|fake| fake.metrics.streams_total.value()), [1, 0]);
    assert_eq!(fakes.each_ref().map(|fake| fake.metrics.stream_duration.count()), [1, 0]);
    assert_eq!(chain.call(0, Side::Response, HEAD, &stream).await.unwrap(), Passed::On);
    assert!(log.take().is_empty(), "nothing comes after on_complete");
}

#[tokio::test]
async fn a_place_behind_the_last_filter_lets_everything_pass() {
    let chain = chain(&[]);
    assert_eq!(chain.call(0, Side::Request, HEAD, &stream()).await.unwrap(), Passed::On);
    assert!(!chain.wants(Phases::ALL) && !chain.wants_at(0, Phases::ALL));
}

#[tokio::test]
async fn a_filter_that_cannot_be_made_fails_as_its_policy_says() {
    let log = Log::default();
    let closed = Fake::new(&log, "a").refusing(fault());
    let open = Fake::new(&log, "b").refusing(fault()).on_error(OnError::Open);
    let (chain, stream) = (chain(&[closed.clone(), open.clone()]), stream());
    let ended = chain.call(0, Side::Request, HEAD, &stream).await.expect_err("closed");
    assert_eq!(told(&ended), (ReplyReason::PluginFailed("a".into()), Some(503)));
    assert_eq!(chain.call(1, Side::Request, HEAD, &stream).await.unwrap(), Passed::On);
    assert!(!chain.wants(Phases::ALL), "both are out");
    assert_eq!((closed.faults.get(), open.faults.get()), (1, 1));
    assert_eq!(
        (closed.metrics.streams_total.value(), open.metrics.fail_open_total.value()),
        (0, 1)
    );
    assert!(chain.times().is_empty());
}

#[tokio::test]
async fn newcomers_do_not_see_a_reply_without_its_request() {
    let log = Log::default();
    let (chain, stream) = (chain(&[Fake::new(&log, "a"), Fake::new(&log, "b")]), stream());
    chain.call(0, Side::Request, HEAD, &stream).await.unwrap();
    chain.begin_reply();
    assert!(chain.wants_at(0, Phases::RESPONSE_HEADERS));
    assert!(!chain.wants_at(1, Phases::RESPONSE_HEADERS));
}

#[tokio::test(start_paused = true)]
async fn a_filter_may_wait_only_so_long() {
    let log = Log::default();
    let (chain, stream) = (chain(&[Fake::new(&log, "a").answering(|_, _, _| never())]), stream());
    let began = tokio::time::Instant::now();
    let ended = chain.call(0, Side::Request, HEAD, &stream).await.expect_err("too long");
    assert_eq!(began.elapsed(), WAIT_MAX);
    assert_eq!(told(&ended), (ReplyReason::PluginFailed("a".into()), Some(504)));
}

#[tokio::test(start_paused = true)]
async fn an_interrupt_ends_the_wait_for_a_filter() {
    let log = Log::default();
    let (chain, stream) = (chain(&[Fake::new(&log, "a").answering(|_, _, _| never())]), stream());
    let reply = LocalReply::text(StatusCode::ACCEPTED, "from beside");
    let reason = ReplyReason::Plugin("a".into());
    let interrupting = async {
        tokio::task::yield_now().await;
        stream.interrupt(Interrupt::Reply(reason.clone(), Box::new(reply)));
        stream.interrupt(Interrupt::Reset(ReplyReason::Internal)); // the first one stands
    };
    let (ended, ()) = tokio::join!(chain.call(0, Side::Request, HEAD, &stream), interrupting);
    assert_eq!(told(&ended.expect_err("interrupted")), (reason, Some(202)));
}

#[tokio::test]
async fn a_late_failure_is_not_called_again() {
    let log = Log::default();
    let fake = Fake::new(&log, "a").answering(|_, _, _| later(Verdict::Failed(fault())));
    let (chain, stream) = (chain(&[fake.clone().on_error(OnError::Open)]), stream());
    assert_eq!(chain.call(0, Side::Request, HEAD, &stream).await.unwrap(), Passed::On);
    assert_eq!(chain.call(0, Side::Request, Hook::Trailers, &stream).await.unwrap(), Passed::On);
    chain.complete(&stream);
    assert_eq!(log.take(), ["a>head"]);
    assert_eq!(fake.faults.get(), 1);
}

#[tokio::test]
async fn a_hook_inside_a_hook_is_a_fault() {
    let log = Log::default();
    let own: Rc<RefCell<Option<Rc<Chain>>>> = Rc::default();
    let inner = Rc::clone(&own);
    let seen: Rc<RefCell<Option<Interrupt>>> = Rc::default();
    let noted = Rc::clone(&seen);
    let fake = Fake::new(&log, "a").answering(move |_, _, stream| {
        let chain = inner.borrow_mut().take().expect("called once");
        let mut again = std::pin::pin!(chain.call(0, Side::Response, HEAD, stream));
        let mut context = Context::from_waker(std::task::Waker::noop());
        if let Poll::Ready(Err(ended)) = again.as_mut().poll(&mut context) {
            noted.replace(Some(ended));
        }
        Step::CONTINUE
    });
    let (chain, stream) = (chain(&[fake]), stream());
    own.replace(Some(Rc::clone(&chain)));
    chain.call(0, Side::Request, HEAD, &stream).await.unwrap();
    let ended = seen.take().expect("it was refused");
    assert_eq!(told(&ended), (ReplyReason::PluginFailed("a".into()), Some(503)));
}

#[tokio::test]
async fn the_time_in_a_filter_is_measured_over_all_its_hooks() {
    let log = Log::default();
    let clock = Clock::new();
    let busy = Fake::new(&log, "a").answering(move |_, _, _| {
        let start = clock.tick();
        while clock.since(start) < Duration::from_millis(1) {
            std::hint::spin_loop();
        }
        Step::CONTINUE
    });
    let (chain, stream) = (chain(&[busy.clone(), Fake::new(&log, "b")]), stream());
    chain.call(0, Side::Request, HEAD, &stream).await.unwrap();
    chain.call(0, Side::Response, HEAD, &stream).await.unwrap();
    chain.complete(&stream);
    let times = chain.times();
    assert_eq!(times.len(), 1, "who saw nothing is not named");
    let (name, time) = &times[0];
    assert_eq!(name.as_str(), "a");
    assert!(*time >= Duration::from_millis(2), "{time:?}");
    assert!(busy.metrics.stream_duration.sum() >= Duration::from_millis(2));
}
