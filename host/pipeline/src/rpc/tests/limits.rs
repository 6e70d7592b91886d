//! Back-pressure and order.

use host_extension::PoolMode;

use super::*;

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
