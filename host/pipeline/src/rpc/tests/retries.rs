//! When a frame is sent again.

use host_router::Retry;
use tokio::net::TcpListener;

use super::*;

/// A peer that answers with this status, or breaks off where it is 0.
async fn answering(status: u16) -> (SocketAddr, Heard) {
    let heard = Heard::default();
    let hears = Rc::clone(&heard);
    let (address, _) = upstream(move |stream| {
        let hears = Rc::clone(&hears);
        async move {
            let mut talk = Talk::new(stream);
            while let Some(frame) = talk.next().await {
                hears.borrow_mut().push(frame.clone());
                if status == 0 {
                    return;
                }
                talk.send(&Wire { status, ..Wire::response(frame.id, "") }).await;
            }
        }
    })
    .await;
    (address, heard)
}

/// Sends a request through two endpoints twice, so that each of them has one first.
async fn check(other: SocketAddr, retry: Retry, kind: u8, expect: [u16; 2]) {
    let (well, _) = answering(200).await;
    let setup = Setup { others: vec![other], retry, ..Setup::frames(&CodecFake::new(), well) };
    let world = setup.start().await;
    let mut client = world.talk().await;
    let mut statuses = Vec::new();
    for id in [1, 2] {
        client.send(&Wire::request(id, "a/b", "").kind(kind)).await;
        if kind == b'q' {
            statuses.push(client.next().await.unwrap().status);
        }
    }
    drop(client);
    world.until_taken().await;
    let lines = lines(world).await;
    if kind == b'o' {
        // Nobody is answered: the log says what became of it.
        let sent = lines.iter().map(|(reason, _)| if reason == "upstream" { 200 } else { 503 });
        statuses = sent.collect();
    }
    statuses.sort_unstable();
    assert_eq!(statuses, expect, "{lines:?}");
}

async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[test]
fn what_was_not_sent_is_sent_elsewhere() {
    for kind in [b'q', b'o'] {
        local(async move { check(nobody().await, Retry::default(), kind, [200, 200]).await });
    }
    let never = Retry { max: 0, ..Retry::default() };
    local(async { check(nobody().await, never, b'q', [200, 503]).await });
}

#[test]
fn what_was_sent_is_sent_again_only_where_the_route_says_so() {
    local(async { check(answering(0).await.0, Retry::default(), b'q', [200, 503]).await });
    let on_reset = Retry { on_reset: true, ..Retry::default() };
    local(async { check(answering(0).await.0, on_reset, b'q', [200, 200]).await });
    local(async { check(answering(500).await.0, Retry::default(), b'q', [200, 500]).await });
    let on_status = Retry { on_statuses: vec![500], ..Retry::default() };
    local(async { check(answering(500).await.0, on_status, b'q', [200, 200]).await });
}

#[test]
fn a_frame_is_not_sent_more_often_than_the_route_says() {
    local(async {
        let (address, heard) = answering(500).await;
        let retry = Retry { max: 3, on_statuses: vec![500], ..Retry::default() };
        let world = Setup { retry, ..Setup::frames(&CodecFake::new(), address) }.start().await;
        let mut client = world.talk().await;
        assert_eq!(client.ask(&Wire::request(1, "a/b", "")).await, "r1 500  ");
        assert_eq!(heard.borrow().len(), 4);
        let cluster = world.worker.clusters.get(&"app".into()).unwrap();
        assert_eq!(cluster.metrics().retries_total.value(), 3);
    });
}

/// Requests that come together at a peer that fails all of them.
const TOGETHER: u32 = 20;

#[test]
fn few_requests_of_many_that_failed_together_are_sent_again() {
    local(async {
        let (release, released) = (Rc::new(Notify::new()), Rc::new(RefCell::new(0)));
        let (releases, counts) = (Rc::clone(&release), Rc::clone(&released));
        let (address, _) = upstream(move |stream| {
            let (releases, counts) = (Rc::clone(&releases), Rc::clone(&counts));
            async move {
                let mut talk = Talk::new(stream);
                let mut came = Vec::new();
                while came.len() < usize::try_from(TOGETHER).unwrap() {
                    came.push(talk.next().await.unwrap().id);
                }
                for id in came {
                    talk.send(&Wire { status: 503, ..Wire::response(id, "") }).await;
                }
                releases.notified().await;
                while let Some(again) = talk.next().await {
                    *counts.borrow_mut() += 1;
                    talk.send(&Wire::response(again.id, "")).await;
                }
            }
        })
        .await;
        let retry = Retry { max: 3, on_statuses: vec![503], ..Retry::default() };
        let world = Setup { retry, ..Setup::frames(&CodecFake::new(), address) }.start().await;
        let mut client = world.talk().await;
        for id in 0..TOGETHER {
            client.send(&Wire::request(id, "a/b", "")).await;
        }
        let mut statuses = Vec::new();
        while statuses.len() < usize::try_from(TOGETHER).unwrap() {
            if statuses.len() == 17 {
                assert_eq!(statuses, [503; 17], "nothing is sent again for these");
                release.notify_one();
            }
            statuses.push(client.next().await.unwrap().status);
        }
        assert_eq!((&statuses[17..], *released.borrow()), (&[200; 3][..], 3));
        let cluster = world.worker.clusters.get(&"app".into()).unwrap();
        let counts = cluster.metrics();
        let counted = [&counts.retries_total, &counts.retries_held_back_total];
        assert_eq!(counted.map(|count| count.value()), [3, 17]);
    });
}

#[test]
fn nobody_notices_a_kept_connection_that_ended_meanwhile() {
    local(async {
        let (address, connections) = upstream(|stream| async move {
            let mut talk = Talk::new(stream);
            let frame = talk.next().await.unwrap();
            talk.send(&Wire::response(frame.id, "")).await;
        })
        .await;
        let world = Setup::frames(&CodecFake::new(), address).start().await;
        let mut client = world.talk().await;
        for id in 1..5 {
            assert_eq!(client.ask(&Wire::request(id, "a/b", "")).await, format!("r{id} 200  "));
            let cluster = world.worker.clusters.get(&"app".into()).unwrap();
            while cluster.metrics().connections_active.value() > 0 {
                tokio::task::yield_now().await;
            }
        }
        assert_eq!(connections.get(), 4);
    });
}
