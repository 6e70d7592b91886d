use bytes::Bytes;
use futures_util::FutureExt;
use tokio_stream::StreamExt;

use super::*;

fn body(length: usize) -> v1::event::Kind {
    let bytes = Bytes::from(vec![0; length]);
    v1::event::Kind::Body(v1::Body { bytes, ..v1::Body::default() })
}

fn result() -> v1::event::Kind {
    v1::event::Kind::CallResult(v1::CallResult::default())
}

fn taken(outgoing: &mut Outgoing) -> Option<usize> {
    outgoing.next().now_or_never()?.map(|message| message.events.len())
}

#[test]
fn what_waits_goes_out_together_and_in_parts_where_it_is_much() {
    let outbox = Arc::<Outbox>::default();
    let mut outgoing = Outgoing(Arc::clone(&outbox));
    assert_eq!(taken(&mut outgoing), None);
    for _ in 0..3 {
        outbox.ask(body(10)).unwrap();
    }
    assert_eq!(taken(&mut outgoing), Some(3));
    outbox.ask(body(BATCH_BYTES * 2)).unwrap();
    outbox.ask(body(10)).unwrap();
    assert_eq!(taken(&mut outgoing), Some(1), "a large one goes alone");
    assert_eq!(taken(&mut outgoing), Some(1));
    outbox.ask(body(10)).unwrap();
    outbox.close();
    assert_eq!(taken(&mut outgoing), Some(1), "what came before the end is sent");
    assert!(outgoing.next().now_or_never().expect("it ended").is_none());
}

#[test]
fn who_comes_late_wakes_the_connection() {
    crate::session::testing::local(async {
        let outbox = Arc::<Outbox>::default();
        let mut outgoing = Outgoing(Arc::clone(&outbox));
        let late = async { outbox.ask(body(1)).unwrap() };
        let (message, ()) = tokio::join!(outgoing.next(), late);
        assert_eq!(message.expect("it came").events.len(), 1);
    });
}

#[test]
fn no_more_waits_than_the_limits_say() {
    let outbox = Outbox::default();
    assert!(matches!(outbox.ask(body(EVENT_BYTES_MAX)), Err(Refused::TooLarge(_))));
    let half = EVENT_BYTES_MAX - 100;
    while outbox.ask(body(half)).is_ok() {}
    assert_eq!(outbox.ask(body(half)), Err(Refused::Full));
    outbox.tell(body(100)).expect("there is room for what must not be lost");
    while outbox.tell(body(1 << 20)).is_ok() {}
    assert_eq!(outbox.tell(body(1 << 20)), Err(Refused::Full));
}

#[test]
fn results_that_nobody_reads_are_counted() {
    let outbox = Arc::<Outbox>::default();
    let mut outgoing = Outgoing(Arc::clone(&outbox));
    let told = (0..).take_while(|_| outbox.tell(result()).is_ok()).count();
    assert_eq!(told, CALLS_MAX);
    outbox.tell(body(1)).expect("what is no result is not refused for them");
    assert_eq!(taken(&mut outgoing), Some(CALLS_MAX + 1));
    outbox.tell(result()).expect("they were read");
}

fn head(fields: usize) -> v1::event::Kind {
    v1::event::Kind::Headers(v1::Headers {
        fields: vec![v1::Field::default(); fields],
        ..v1::Headers::default()
    })
}

#[test]
fn events_and_fields_without_bytes_have_weight_while_they_wait() {
    let outbox = Arc::<Outbox>::default();
    let mut outgoing = Outgoing(Arc::clone(&outbox));
    let heads = (0..).take_while(|_| outbox.ask(head(1024)).is_ok()).count();
    assert_eq!(heads, OUTBOX_BYTES_MAX / (1024 * (FIELD_WEIGHT + 2)));
    while taken(&mut outgoing).is_some() {}
    assert_eq!(outbox.0.lock().bytes, 0);
    let ticks = (0..).take_while(|_| outbox.ask(body(0)).is_ok()).count();
    assert_eq!(ticks, OUTBOX_BYTES_MAX / EVENT_WEIGHT_MIN);
}
