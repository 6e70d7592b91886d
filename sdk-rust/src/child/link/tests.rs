use abi_process::v1::{Log, Ping};

use super::*;

fn link() -> (Link, mpsc::Sender<ToPlugin>, mpsc::Receiver<Outgoing>) {
    let (to_thread, events) = mpsc::channel(8);
    let (replies, to_socket) = mpsc::channel(8);
    (Link::new(events, replies), to_thread, to_socket)
}

fn line(bytes: usize) -> reply::Kind {
    reply::Kind::Log(Log { line: "x".repeat(bytes), ..Log::default() })
}

fn ping(number: u64) -> Event {
    Event { kind: Some(event::Kind::Ping(Ping { number })) }
}

fn sent(to_socket: &mut mpsc::Receiver<Outgoing>) -> Option<usize> {
    Some(to_socket.try_recv().ok()?.unwrap().replies.len())
}

#[test]
fn replies_wait_for_one_another_while_there_is_something_to_do() {
    let (link, to_thread, mut to_socket) = link();
    to_thread.try_send(ToPlugin { events: vec![ping(1), ping(2)] }).unwrap();
    assert!(link.next().is_some());
    link.send(line(1));
    link.send(line(1));
    assert_eq!(sent(&mut to_socket), None);
    assert!(link.next().is_some());
    drop(to_thread);
    assert!(link.next().is_none());
    assert_eq!(sent(&mut to_socket), Some(2));
}

#[test]
fn many_replies_and_large_ones_do_not_wait() {
    let (link, _to_thread, mut to_socket) = link();
    for _ in 0..BATCH_MAX {
        link.send(line(1));
    }
    assert_eq!(sent(&mut to_socket), Some(BATCH_MAX));
    link.send(line(1));
    link.send(line(BATCH_BYTES_MAX));
    assert_eq!(sent(&mut to_socket), Some(1));
    link.send(line(1));
    assert_eq!(sent(&mut to_socket), Some(1));
}

#[test]
fn a_reply_that_has_waited_is_sent_though_there_is_more_to_do() {
    let (link, to_thread, mut to_socket) = link();
    let events = (0..1 << 20).map(ping).collect();
    to_thread.try_send(ToPlugin { events }).unwrap();
    link.send(line(1));
    let mut handled = 0;
    while sent(&mut to_socket).is_none() {
        assert!(link.next().is_some(), "after {handled} events");
        handled += 1;
    }
}

#[test]
fn the_reply_of_a_slow_callback_does_not_wait() {
    let (link, to_thread, mut to_socket) = link();
    to_thread.try_send(ToPlugin { events: vec![ping(1), ping(2)] }).unwrap();
    assert!(link.next().is_some());
    let began = Instant::now();
    while began.elapsed() < BATCH_WAIT {
        std::hint::spin_loop();
    }
    link.send(line(1));
    assert_eq!(sent(&mut to_socket), None);
    assert!(link.next().is_some());
    assert_eq!(sent(&mut to_socket), Some(1));
}

#[test]
fn nothing_is_sent_once_nobody_listens() {
    let (link, _to_thread, to_socket) = link();
    drop(to_socket);
    link.send(line(1));
    link.flush();
    assert!(link.next().is_none());
    assert_eq!(link.call((0, 0), call::Kind::Metric(1)), Err(HostError::Unsupported));
}

#[test]
fn a_flood_of_events_during_a_call_ends_the_session() {
    let (link, to_thread, mut to_socket) = link();
    let events = vec![Event { kind: None }; ASIDE_MAX + 1];
    to_thread.try_send(ToPlugin { events }).unwrap();
    assert_eq!(link.call((0, 0), call::Kind::Metric(1)), Err(HostError::Unsupported));
    assert_eq!(sent(&mut to_socket), Some(1));
    let refused = to_socket.try_recv().unwrap().unwrap_err();
    assert_eq!(refused.code(), tonic::Code::ResourceExhausted);
    assert!(link.next().is_none());
}

#[test]
fn a_result_that_comes_among_others_is_found_and_they_stay_in_order() {
    let (link, to_thread, _to_socket) = link();
    let result = |id| {
        let result = CallResult { id, number: 7, ..CallResult::default() };
        Event { kind: Some(event::Kind::CallResult(result)) }
    };
    let other = |queue| {
        let ready = abi_process::v1::QueueReady { instance: 1, queue };
        Event { kind: Some(event::Kind::QueueReady(ready)) }
    };
    to_thread.try_send(ToPlugin { events: vec![other(1), result(1), other(2)] }).unwrap();
    assert_eq!(link.call((0, 0), call::Kind::Metric(1)).unwrap().number, 7);
    assert_eq!(link.next(), Some(other(1)));
    assert_eq!(link.next(), Some(other(2)));
}
