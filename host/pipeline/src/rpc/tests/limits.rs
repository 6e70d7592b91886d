//! Back-pressure and order.

use host_extension::{PoolMode, Side, Step, Verdict};
use tokio::time::{Instant, pause};

use super::*;
use crate::{
    chain::Hook,
    testing::{Fake, Log},
};

#[test]
fn past_the_limit_of_streams_nothing_more_is_read() {
    local(async {
        let (address, came) = silent().await;
        let limits = Limits { streams_per_connection_max: 2, ..Limits::default() };
        let world = Setup { limits, ..Setup::frames(&CodecFake::new(), address) }.start().await;
        let mut client = world.talk().await;
        let hasty = |id| Wire { timeout_ms: 300, ..Wire::request(id, "a/b", "") };
        client.send_all(&[hasty(1), hasty(2), hasty(3), hasty(4)]).await;
        came.notified().await;
        came.notified().await;
        tokio::task::yield_now().await;
        assert_eq!(world.metrics.streams_active.value(), 2);
        for _ in 0..4 {
            assert!(client.told().await.contains(" 504 "));
        }
        drop(client);
        assert_eq!(lines(world).await, vec![line("timeout", 504); 4]);
    });
}

#[test]
fn one_request_at_a_time_where_replies_have_no_other_order() {
    local(async {
        let mut codec = CodecFake::new();
        codec.profile.pool = PoolMode::PingPong;
        let most = Rc::new(RefCell::new((0, 0)));
        let counts = Rc::clone(&most);
        let (address, _) = upstream(move |stream| {
            let counts = Rc::clone(&counts);
            async move {
                let mut talk = Talk::new(stream);
                while let Some(frame) = talk.next().await {
                    counts.borrow_mut().0 += 1;
                    let now = counts.borrow().0;
                    let before = counts.borrow().1;
                    counts.borrow_mut().1 = before.max(now);
                    tokio::task::yield_now().await;
                    counts.borrow_mut().0 -= 1;
                    talk.send(&Wire::response(frame.id, &frame.body)).await;
                }
            }
        })
        .await;
        let world = Setup::frames(&codec, address).start().await;
        let mut client = world.talk().await;
        let ask = |body| Wire::request(0, "a/b", body);
        client.send_all(&[ask("1"), ask("2"), Wire::new(b'h', 0), ask("3")]).await;
        let mut told = Vec::new();
        for _ in 0..4 {
            told.push(client.told().await);
        }
        assert_eq!(told, ["r0 200 1 ", "r0 200 2 ", "H0 0  ", "r0 200 3 "]);
        assert_eq!(most.borrow().1, 1);
    });
}

#[test]
fn a_bound_connection_ends_with_that_of_its_upstream() {
    local(async {
        let mut codec = CodecFake::new();
        codec.profile.pool = PoolMode::Bound;
        let (address, connections) = upstream(|stream| async move {
            let mut talk = Talk::new(stream);
            while let Some(frame) = talk.next().await {
                talk.send(&Wire::response(frame.id, &frame.body)).await;
                if frame.body == "last" {
                    return;
                }
            }
        })
        .await;
        let world = Setup::frames(&codec, address).start().await;
        let (mut a, mut b) = (world.talk().await, world.talk().await);
        let ask = |id, body| Wire::request(id, "a/b", body);
        assert_eq!(a.ask(&ask(7, "x")).await, "r7 200 x ");
        assert_eq!(b.ask(&ask(7, "y")).await, "r7 200 y ");
        assert_eq!(connections.get(), 2);
        assert_eq!(a.ask(&ask(8, "last")).await, "r8 200 last ");
        assert_eq!(a.told().await, "end");
        assert_eq!(b.ask(&ask(9, "z")).await, "r9 200 z ");
    });
}

#[test]
fn many_frames_of_one_read_are_all_served() {
    local(async {
        let (world, _) = echoing(&CodecFake::new()).await;
        let mut client = world.talk().await;
        let frames: Vec<Wire> = (1..=2000).map(|id| Wire::request(id, "a/b", "")).collect();
        client.send_all(&frames).await;
        let mut ids = Vec::new();
        for _ in 0..2000 {
            ids.push(client.next().await.unwrap().id);
        }
        ids.sort_unstable();
        assert_eq!(ids, (1..=2000).collect::<Vec<u32>>());
    });
}

#[test]
fn heartbeats_are_answered_past_requests_that_wait() {
    local(async {
        let (address, came) = silent().await;
        let limits = Limits { streams_per_connection_max: 1, ..Limits::default() };
        let world = Setup { limits, ..Setup::frames(&CodecFake::new(), address) }.start().await;
        let mut client = world.talk().await;
        client.send(&Wire::request(1, "a/b", "")).await;
        came.notified().await;
        client.send(&Wire::request(2, "a/b", "")).await;
        assert_eq!(client.ask(&Wire::new(b'h', 3)).await, "H3 0  ");
        assert_eq!(world.metrics.streams_active.value(), 1);
    });
}

#[test]
fn a_client_that_breaks_off_at_its_limit_is_noticed() {
    for pool in [PoolMode::PingPong, PoolMode::Multiplexed] {
        local(async {
            let mut codec = CodecFake::new();
            codec.profile.pool = pool;
            let (address, came) = silent().await;
            let limits = Limits { streams_per_connection_max: 1, ..Limits::default() };
            let world = Setup { limits, ..Setup::frames(&codec, address) }.start().await;
            let mut client = world.talk().await;
            client.send(&Wire::request(1, "a/b", "")).await;
            came.notified().await;
            let start = Instant::now();
            client.reset();
            assert_eq!(lines(world).await, [("client_gone".to_owned(), None)]);
            assert!(start.elapsed() < Duration::from_secs(10), "not by the request's timeout");
        });
    }
}

#[test]
fn bytes_of_requests_under_way_have_a_limit() {
    local(async {
        let (address, came) = silent().await;
        let limits = Limits { frame_bytes_max: 100, rpc_bytes_max: 200, ..Limits::default() };
        let world = Setup { limits, ..Setup::frames(&CodecFake::new(), address) }.start().await;
        let mut client = world.talk().await;
        let large = |id| Wire::request(id, "a/b", &"x".repeat(60));
        let hasty = |id| Wire { timeout_ms: 300, ..large(id) };
        client.send_all(&[hasty(1), large(2), large(3)]).await;
        came.notified().await;
        came.notified().await;
        assert_eq!(client.ask(&Wire::new(b'h', 4)).await, "H4 0  ");
        assert_eq!(world.metrics.streams_active.value(), 2);
        assert!(client.told().await.starts_with("r1 504"));
        came.notified().await;
        assert_eq!(world.metrics.streams_active.value(), 2);
    });
}

#[test]
fn bytes_of_a_response_that_a_filter_holds_count() {
    local(async {
        let (came, go) = (Rc::new(Notify::new()), Rc::new(Notify::new()));
        let (comes, goes) = (Rc::clone(&came), Rc::clone(&go));
        let filter = Fake::new(&Log::default(), "slow").answering(move |side, hook, _| {
            if side == Side::Request || !matches!(hook, Hook::Headers { .. }) {
                return Step::CONTINUE;
            }
            comes.notify_one();
            let goes = Rc::clone(&goes);
            Step::Later(Box::pin(async move {
                goes.notified().await;
                Verdict::Continue
            }))
        });
        let (address, _) = upstream(|stream| async move {
            let mut talk = Talk::new(stream);
            while let Some(frame) = talk.next().await {
                talk.send(&Wire::response(frame.id, &"x".repeat(150))).await;
            }
        })
        .await;
        let limits = Limits { frame_bytes_max: 200, rpc_bytes_max: 200, ..Limits::default() };
        let listener_filters = vec![filter];
        let setup = Setup::frames(&CodecFake::new(), address);
        let world = Setup { limits, listener_filters, ..setup }.start().await;
        let mut client = world.talk().await;
        client.send(&Wire::request(1, "a/b", "")).await;
        came.notified().await;
        client.send(&Wire::request(2, "a/b", "")).await;
        assert_eq!(client.ask(&Wire::new(b'h', 3)).await, "H3 0  ");
        assert_eq!(world.metrics.streams_active.value(), 1);
        go.notify_one();
        assert!(client.told().await.starts_with("r1 200"));
        came.notified().await;
        go.notify_one();
        assert!(client.told().await.starts_with("r2 200"));
    });
}

#[test]
fn a_frame_may_not_ask_for_any_timeout() {
    local(async {
        let (address, came) = silent().await;
        let limits = Limits { frame_timeout_max: Duration::from_secs(2), ..Limits::default() };
        let world = Setup { limits, ..Setup::frames(&CodecFake::new(), address) }.start().await;
        let mut client = world.talk().await;
        client.send(&Wire { timeout_ms: 60_000, ..Wire::request(1, "a/b", "") }).await;
        came.notified().await;
        let start = Instant::now();
        pause();
        assert!(client.told().await.starts_with("r1 504"));
        assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    });
}

#[test]
fn a_frame_past_the_limit_is_refused_where_it_comes_in_one_read() {
    local(async {
        let (address, heard) = echo().await;
        let limits = Limits { frame_bytes_max: 100, ..Limits::default() };
        let world = Setup { limits, ..Setup::frames(&CodecFake::new(), address) }.start().await;
        let mut client = world.talk().await;
        let large = Wire::request(2, "a/b", &"x".repeat(66));
        client.send_all(&[Wire::request(1, "a/b", ""), large]).await;
        assert_eq!(client.told().await, "r1 200 re  by=peer;");
        assert_eq!(client.told().await, "end");
        assert_eq!((world.malformed(), heard.borrow().len()), (1, 1));
    });
}
