//! Frames over real sockets: a client, the proxy, a peer.

#![expect(clippy::excessive_nesting, reason = "a peer is a closure inside a test")]

mod edits;
mod ends;
mod limits;
mod refusals;
mod retries;
mod soak;

use std::{cell::RefCell, net::SocketAddr, rc::Rc, time::Duration};

use host_types::Limits;
use tokio::sync::Notify;

use crate::testing::{
    Setup, Speaks, World, field,
    frames::{CodecFake, Heard, Mood, Talk, Wire, echo},
    local, upstream,
};

impl World {
    async fn talk(&self) -> Talk {
        Talk::to(self.address).await
    }

    /// Waits until it took a connection.
    async fn until_taken(&self) {
        while self.metrics.connections_total.value() == 0 {
            tokio::task::yield_now().await;
        }
    }

    fn frames(&self, kind: &str) -> u64 {
        self.metrics.protocol(&"fake".into()).frames(kind)
    }

    fn malformed(&self) -> u64 {
        self.metrics.protocol(&"fake".into()).malformed_total.value()
    }
}

/// A proxy before a peer that echoes.
async fn echoing(codec: &CodecFake) -> (World, Heard) {
    let (address, heard) = echo().await;
    (Setup::frames(codec, address).start().await, heard)
}

/// A peer that takes requests and answers none; told of each.
async fn silent() -> (SocketAddr, Rc<Notify>) {
    let came = Rc::new(Notify::new());
    let comes = Rc::clone(&came);
    let (address, _) = upstream(move |stream| {
        let comes = Rc::clone(&comes);
        async move {
            let mut talk = Talk::new(stream);
            while talk.next().await.is_some() {
                comes.notify_one();
            }
        }
    })
    .await;
    (address, came)
}

/// The lines of the access log, as reason and status.
async fn lines(world: World) -> Vec<(String, Option<u16>)> {
    let told = |line: &String| {
        let status = field(line, "status").and_then(|status| status.parse().ok());
        (field(line, "reason").unwrap().to_owned(), status)
    };
    world.finish().await.iter().map(told).collect()
}

fn line(reason: &str, status: u16) -> (String, Option<u16>) {
    (reason.to_owned(), Some(status))
}

#[test]
fn a_frame_that_nobody_changes_goes_on_as_it_came_but_for_its_id() {
    local(async {
        let codec = CodecFake::new();
        let (world, heard) = echoing(&codec).await;
        let mut client = world.talk().await;
        let sent = Wire { timeout_ms: 9000, ..Wire::request(70, "Echo/say", "hi") }.with("a=b");
        assert_eq!(client.ask(&sent).await, "r70 200 re hi by=peer;");
        let got = heard.borrow()[0].clone();
        assert_ne!(got.id, 70, "its id is the connection's");
        assert_eq!(Wire { id: 70, ..got }, sent);
        assert_eq!(codec.encoded.get(), 0);
        drop(client);
        let lines = world.finish().await;
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        for (name, value) in [
            ("protocol", "fake"),
            ("method", "POST"),
            ("path", "/Echo/say"),
            ("status", "200"),
            ("reason", "upstream"),
            ("cluster", "app"),
            ("request_bytes", "2"),
            ("response_bytes", "5"),
        ] {
            assert_eq!(field(line, name), Some(value), "{line}");
        }
        assert_eq!(field(line, "one_way"), None, "{line}");
    });
}

#[test]
fn an_id_without_a_place_is_written_by_the_codec() {
    local(async {
        let codec = CodecFake { no_id_place: true, ..CodecFake::new() };
        let (world, heard) = echoing(&codec).await;
        let mut client = world.talk().await;
        let sent = Wire::request(70, "Echo/say", "hi");
        assert_eq!(client.ask(&sent).await, "r70 200 re hi by=peer;");
        assert_eq!(Wire { id: 70, ..heard.borrow()[0].clone() }, sent);
        assert_eq!(codec.encoded.get(), 2);
    });
}

#[test]
fn requests_of_two_clients_share_a_connection_and_ids_do_not_meet() {
    local(async {
        let held: Rc<RefCell<Vec<Wire>>> = Rc::default();
        let (address, connections) = upstream(move |stream| {
            let held = Rc::clone(&held);
            async move {
                let mut talk = Talk::new(stream);
                while let Some(frame) = talk.next().await {
                    held.borrow_mut().push(frame);
                    if held.borrow().len() == 4 {
                        // The last one first.
                        for frame in held.take().iter().rev() {
                            talk.send(&Wire::response(frame.id, &frame.body)).await;
                        }
                    }
                }
            }
        })
        .await;
        let world = Setup::frames(&CodecFake::new(), address).start().await;
        let (mut a, mut b) = (world.talk().await, world.talk().await);
        let ask = |id, body| Wire::request(id, "Echo/say", body);
        a.send_all(&[ask(1, "a1"), ask(2, "a2")]).await;
        b.send_all(&[ask(1, "b1"), ask(2, "b2")]).await;
        for (client, name) in [(&mut a, "a"), (&mut b, "b")] {
            let mut got = [client.told().await, client.told().await];
            assert!(got[0].starts_with("r2"), "answers come as they come: {got:?}");
            got.sort();
            assert_eq!(got, [format!("r1 200 {name}1 "), format!("r2 200 {name}2 ")]);
        }
        assert_eq!(connections.get(), 1);
        drop((a, b));
        assert_eq!(lines(world).await, vec![line("upstream", 200); 4]);
    });
}

#[test]
fn bytes_may_come_in_any_pieces() {
    for mood in [Mood::Well, Mood::Later] {
        local(async {
            let codec = CodecFake::new();
            codec.decoding.set(mood);
            let (world, _) = echoing(&codec).await;
            let frames = [Wire::request(1, "a/b", "x"), Wire::request(2, "a/b", "yy")];
            let bytes: Vec<u8> = frames.iter().flat_map(Wire::bytes).collect();
            for place in 1..bytes.len() {
                let mut client = world.talk().await;
                let (first, second) = bytes.split_at(place);
                tokio::io::AsyncWriteExt::write_all(&mut client.io, first).await.unwrap();
                tokio::task::yield_now().await;
                tokio::io::AsyncWriteExt::write_all(&mut client.io, second).await.unwrap();
                assert_eq!(client.told().await, "r1 200 re x by=peer;");
                assert_eq!(client.told().await, "r2 200 re yy by=peer;");
            }
        });
    }
}

#[test]
fn a_one_way_is_sent_and_nobody_is_answered() {
    local(async {
        let (world, heard) = echoing(&CodecFake::new()).await;
        let mut client = world.talk().await;
        let one_way = Wire::request(5, "Echo/tell", "news").kind(b'o');
        client.send_all(&[one_way.clone(), Wire::request(6, "Echo/say", "hi")]).await;
        assert_eq!(client.told().await, "r6 200 re hi by=peer;");
        assert_eq!(heard.borrow()[0].body, "news");
        // One to nowhere is refused in silence; the log tells.
        let lost = Wire::request(7, "nowhere/x", "").kind(b'o');
        client.send_all(&[lost, Wire::new(b'h', 8)]).await;
        assert_eq!(client.told().await, "H8 0  ");
        assert_eq!((world.frames("one_way"), world.frames("response")), (2, 1));
        drop(client);
        let mut lines = lines(world).await;
        lines.sort();
        assert_eq!(lines, [line("no_endpoint", 503), line("upstream", 200), line("upstream", 200)]);
    });
}

#[test]
fn a_one_way_of_a_client_that_went_at_once_is_sent() {
    local(async {
        let (world, heard) = echoing(&CodecFake::new()).await;
        let mut client = world.talk().await;
        client.send(&Wire::request(5, "Echo/tell", "news").kind(b'o')).await;
        drop(client);
        world.until_taken().await;
        assert_eq!(lines(world).await, [line("upstream", 200)]);
        while heard.borrow().is_empty() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn heartbeats_are_answered_and_count_as_frames() {
    local(async {
        let (address, came) = silent().await;
        let world = Setup::frames(&CodecFake::new(), address).start().await;
        let mut client = world.talk().await;
        client.send(&Wire::request(1, "Echo/say", "")).await;
        came.notified().await;
        assert_eq!(client.ask(&Wire::new(b'h', 9)).await, "H9 0  ", "while a request waits");
        assert_eq!((world.frames("heartbeat"), world.frames("heartbeat_reply")), (1, 1));
        assert_eq!(world.frames("request"), 1);
    });
}

#[test]
fn a_new_plan_serves_the_next_frame_of_an_old_connection() {
    local(async {
        let codec = CodecFake::new();
        let (address, _) = echo().await;
        let world = Setup::frames(&codec, address).start().await;
        let mut client = world.talk().await;
        let ask = |id| Wire::request(id, "Echo/say", "hi");
        assert_eq!(client.ask(&ask(1)).await, "r1 200 re hi by=peer;");
        world.reload(&Setup { domain: "app.test", ..Setup::frames(&codec, address) });
        let none = "r2 404 no route matches this request ";
        assert_eq!(client.ask(&ask(2)).await, none);
        world.reload(&Setup::frames(&codec, address));
        assert_eq!(client.ask(&ask(3)).await, "r3 200 re hi by=peer;");
        world.reload(&Setup { speaks: Speaks::Tcp, ..Setup::default() });
        let none = "r4 404 this listener no longer has streams ";
        assert_eq!(client.ask(&ask(4)).await, none);
    });
}

#[test]
fn the_future_of_a_call_stays_small() {
    fn output_size<A, B, C, F: Future>(_make: impl Fn(A, B, C) -> F) -> usize {
        size_of::<F>()
    }
    // Each request has one on the heap.
    let size = output_size(super::call::serve_call);
    assert!(size < 8 * 1024, "{size}");
}
