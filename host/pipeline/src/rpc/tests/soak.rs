//! Clients and peers that do anything, in an order that a seed decides: every request that wants
//! an answer gets one, its own; every stream ends once.

use std::collections::HashSet;

use fastrand::Rng;
use host_extension::{FaultKind, OnError, PluginFault, Side, Step, Verdict};

use super::*;
use crate::testing::{Fake, Log, NetworkFake, later};

const CLIENTS: u32 = 4;
const REQUESTS: u32 = 100;

/// A peer that answers late, out of order, not at all, in a crooked way, or breaks off.
async fn rude(seed: u64) -> SocketAddr {
    let random = Rc::new(RefCell::new(Rng::with_seed(seed)));
    let (address, _) = upstream(move |stream| rude_talk(stream, Rc::clone(&random))).await;
    address
}

async fn rude_talk(stream: tokio::net::TcpStream, random: Rc<RefCell<Rng>>) {
    let mut talk = Talk::new(stream);
    let mut held: Vec<Wire> = Vec::new();
    while let Some(frame) = talk.next().await {
        if frame.kind != b'q' {
            continue;
        }
        held.push(frame);
        let mut random = random.borrow_mut().fork();
        random.shuffle(&mut held);
        while held.len() > random.usize(0..3) {
            let Some(frame) = held.pop() else { break };
            let answer = Wire::response(frame.id, &format!("re {}", frame.body));
            match random.u8(0..100) {
                0..4 => {} // it forgets it
                4..6 => return,
                6..9 => talk.send(&answer.kind(b'y')).await,
                9..12 => talk.send_all(&[answer.clone(), answer]).await,
                12..15 => talk.send_all(&[Wire::new(b'h', 7), answer]).await,
                _ => talk.send(&answer).await,
            }
        }
    }
}

/// A filter that does anything to its streams.
fn moody(seed: u64) -> Fake {
    let random = RefCell::new(Rng::with_seed(seed));
    Fake::new(&Log::default(), "moody").on_error(OnError::Open).answering(move |side, _, stream| {
        let fault = || PluginFault::new(FaultKind::Trapped, "boom");
        match random.borrow_mut().u8(0..60) {
            0 => Verdict::Failed(fault()).into(),
            1 => Verdict::Reset.into(),
            2 => {
                let status = http::StatusCode::IM_A_TEAPOT;
                let reply = host_extension::LocalReply::text(status, "moody");
                Verdict::Respond(Box::new(reply)).into()
            }
            3..10 => later(Verdict::Continue),
            10..20 => Step::Ready(Verdict::Hold),
            20..30 => {
                let mut head = stream.message(side).headers.borrow_mut();
                if let Some(head) = head.as_mut().filter(|_| side == Side::Request) {
                    head.add(b"more", b"1").unwrap();
                }
                Step::CONTINUE
            }
            _ => Step::CONTINUE,
        }
    })
}

/// One client: it sends all that it has, and takes an answer for each that wants one.
async fn client(mut talk: Talk, seed: u64) {
    let mut random = Rng::with_seed(seed);
    let mut wanted = HashSet::new();
    for id in 1..=REQUESTS {
        let path = ["a/b", "a/b", "a/b", "nowhere/b", "direct/b"][random.usize(0..5)];
        let kind = [b'q', b'q', b'q', b'o', b'x', b'h'][random.usize(0..6)];
        let frame = Wire { timeout_ms: 60, ..Wire::request(id, path, &id.to_string()) };
        if kind != b'o' {
            wanted.insert(id);
        }
        talk.send(&frame.kind(kind)).await;
        while random.bool() && !wanted.is_empty() {
            take_answer(&mut talk, &mut wanted).await;
        }
    }
    while !wanted.is_empty() {
        take_answer(&mut talk, &mut wanted).await;
    }
}

async fn take_answer(talk: &mut Talk, wanted: &mut HashSet<u32>) {
    let answer = talk.next().await.unwrap_or_else(|| panic!("it ended, without {wanted:?}"));
    assert!(wanted.remove(&answer.id), "nobody asked, or twice: {answer:?}");
    if answer.kind == b'r' && answer.status == 200 && answer.body.starts_with("re ") {
        assert_eq!(answer.body, format!("re {}", answer.id), "another one's answer");
    }
}

#[test]
fn every_request_is_answered_once_and_with_its_own_answer() {
    for seed in 0..4 {
        local(async move {
            let codec = CodecFake { no_id_place: seed % 3 == 0, ..CodecFake::new() };
            codec.decoding.set(if seed % 2 == 0 { Mood::Later } else { Mood::Well });
            let log = Log::default();
            let network_filters =
                if seed % 2 == 0 { vec![NetworkFake::new(&log, "net")] } else { Vec::new() };
            let others = vec![rude(seed + 100).await];
            let setup = Setup {
                listener_filters: vec![moody(seed)],
                network_filters,
                others,
                ..Setup::frames(&codec, rude(seed).await)
            };
            let world = setup.start().await;
            let mut clients = tokio::task::JoinSet::new();
            for number in 0..CLIENTS {
                let talk = world.talk().await;
                clients.spawn_local(client(talk, seed * 10 + u64::from(number)));
            }
            while let Some(done) = clients.join_next().await {
                done.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            }
            let counts = world.metrics.protocol(&"fake".into());
            let count = |kinds: &[&str]| kinds.iter().map(|kind| counts.frames(kind)).sum::<u64>();
            // The last one-ways may not be read yet, and a drain would not wait for them.
            while count(&["request", "one_way", "heartbeat"]) < u64::from(CLIENTS * REQUESTS) {
                tokio::task::yield_now().await;
            }
            let lines = world.finish().await.len() as u64;
            assert_eq!(count(&["request", "one_way"]), lines, "one line each");
        });
    }
}
