//! How connections end, and what becomes of what is under way.

use std::sync::mpsc;

use host_extension::{FaultKind, Step};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, advance, pause},
};

use super::*;
use crate::testing::{Fake, Log, Speaks};

/// Stops the clock: it goes on where a test says so and never by itself, while the answer lives.
fn stand_still() -> mpsc::Sender<()> {
    let (still, ended) = mpsc::channel();
    // The clock of a runtime with blocking work does not run ahead.
    tokio::task::spawn_blocking(move || ended.recv_timeout(Duration::from_secs(60)));
    pause();
    still
}

/// Lets time pass, and all that is due happen.
async fn pass(time: Duration) {
    settle().await;
    advance(time).await;
    settle().await;
}

/// Lets all that can happen now happen.
async fn settle() {
    for _ in 0..500 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn frames_before_lost_framing_are_answered_and_the_connection_ends() {
    local(async {
        let (world, _) = echoing(&CodecFake::new()).await;
        let mut client = world.talk().await;
        let mut bytes = Wire::request(1, "a/b", "hi").bytes();
        bytes.extend(b"GET / HTTP/1.1\r\n\r\n");
        client.io.write_all(&bytes).await.unwrap();
        assert_eq!(client.told().await, "r1 200 re hi by=peer;");
        assert_eq!(client.told().await, "end");
        assert_eq!((world.malformed(), world.metrics.malformed_total.value()), (1, 1));
        let lines = lines(world).await;
        assert!(lines.contains(&("malformed".to_owned(), None)), "{lines:?}");
        assert!(lines.contains(&line("upstream", 200)), "{lines:?}");
    });
}

#[test]
fn a_frame_larger_than_the_limit_is_refused_by_its_head() {
    local(async {
        let (address, _) = echo().await;
        let limits = Limits { frame_bytes_max: 100, ..Limits::default() };
        let world = Setup { limits, ..Setup::frames(&CodecFake::new(), address) }.start().await;
        let mut client = world.talk().await;
        let fits = Wire::request(1, "a/b", &"x".repeat(62));
        assert_eq!(fits.bytes().len(), 97);
        client.send(&fits).await;
        assert!(client.told().await.starts_with("r1 200"));
        let large = Wire::request(2, "a/b", &"x".repeat(66)).bytes();
        client.io.write_all(&large[..20]).await.unwrap();
        assert_eq!(client.told().await, "end", "its end never came");
        assert_eq!(world.malformed(), 1);
        assert_eq!(lines(world).await[1], ("malformed".to_owned(), None));
    });
}

#[test]
fn a_drain_answers_what_is_under_way_and_closes_what_is_quiet() {
    local(async {
        let go = Rc::new(Notify::new());
        let came = Rc::new(Notify::new());
        let (goes, comes) = (Rc::clone(&go), Rc::clone(&came));
        let (address, _) = upstream(move |stream| {
            let (goes, comes) = (Rc::clone(&goes), Rc::clone(&comes));
            async move {
                let mut talk = Talk::new(stream);
                while let Some(frame) = talk.next().await {
                    comes.notify_one();
                    goes.notified().await;
                    talk.send(&Wire::response(frame.id, "done")).await;
                }
            }
        })
        .await;
        let world = Setup::frames(&CodecFake::new(), address).start().await;
        let (mut busy, mut quiet) = (world.talk().await, world.talk().await);
        assert_eq!(quiet.ask(&Wire::new(b'h', 1)).await, "H1 0  ");
        busy.send(&Wire::request(1, "a/b", "")).await;
        came.notified().await;
        world.worker.drain.raise();
        assert_eq!(quiet.told().await, "end");
        assert_eq!(busy.ask(&Wire::new(b'h', 2)).await, "H2 0  ", "heartbeats are answered");
        go.notify_one();
        assert_eq!(busy.told().await, "r1 200 done ");
        assert_eq!(busy.told().await, "end");
        assert_eq!(lines(world).await, [line("upstream", 200)]);
    });
}

#[test]
fn who_cannot_be_told_to_go_is_closed_when_it_is_quiet_for_a_while() {
    local(async {
        let (world, heard) = echoing(&CodecFake::new()).await;
        let mut client = world.talk().await;
        assert_eq!(client.ask(&Wire::new(b'h', 1)).await, "H1 0  ");
        let _still = stand_still();
        world.worker.drain.raise();
        for id in 1..4 {
            let answer = format!("r{id} 200 re x by=peer;");
            assert_eq!(client.ask(&Wire::request(id, "a/b", "x")).await, answer);
            pass(Duration::from_millis(40)).await;
        }
        pass(Duration::from_millis(20)).await;
        assert_eq!(client.told().await, "end");
        assert_eq!(heard.borrow().len(), 3);
    });
}

#[test]
fn who_cannot_be_told_to_go_and_is_never_quiet_is_read_to_the_end_of_a_frame() {
    for (needed_ahead, cut) in [(0, None), (16, None), (0, Some(2)), (0, Some(20))] {
        local(async {
            let (go, heard) = (Rc::new(Notify::new()), Heard::default());
            let (goes, hears) = (Rc::clone(&go), Rc::clone(&heard));
            let (address, _) = upstream(move |stream| {
                let (goes, hears) = (Rc::clone(&goes), Rc::clone(&hears));
                async move {
                    let mut talk = Talk::new(stream);
                    while let Some(frame) = talk.next().await {
                        hears.borrow_mut().push(frame.clone());
                        goes.notified().await;
                        talk.send(&Wire::response(frame.id, "done")).await;
                    }
                }
            })
            .await;
            let codec = CodecFake { needed_ahead, ..CodecFake::new() };
            let world = Setup::frames(&codec, address).start().await;
            let mut client = world.talk().await;
            client.send(&Wire::request(1, "a/b", "")).await;
            while heard.borrow().is_empty() {
                tokio::task::yield_now().await;
            }
            let _still = stand_still();
            world.worker.drain.raise();
            pass(Duration::from_secs(4)).await;
            assert_eq!(client.ask(&Wire::new(b'h', 2)).await, "H2 0  ", "it is still read");
            let (second, third) = (Wire::request(2, "a/b", ""), Wire::request(3, "a/b", ""));
            let bytes = second.bytes();
            let (first_part, rest) = bytes.split_at(cut.unwrap_or(0));
            client.io.write_all(first_part).await.unwrap();
            pass(Duration::from_secs(2)).await;
            client.io.write_all(rest).await.unwrap();
            client.send(&third).await;
            settle().await;
            go.notify_one();
            assert_eq!(client.told().await, "r1 200 done ");
            if cut == Some(20) {
                go.notify_one();
                assert_eq!(client.told().await, "r2 200 done ", "its length was known");
            }
            assert_eq!(client.told().await, "end");
            assert_eq!(heard.borrow().len(), if cut == Some(20) { 2 } else { 1 });
        });
    }
}

#[test]
fn a_client_that_was_told_to_go_is_closed_when_it_has_no_requests_for_a_while() {
    local(async {
        let mut codec = CodecFake::new();
        codec.profile.go_away = true;
        let (world, _) = echoing(&codec).await;
        let mut client = world.talk().await;
        assert_eq!(client.ask(&Wire::new(b'h', 1)).await, "H1 0  ");
        let _still = stand_still();
        world.worker.drain.raise();
        assert_eq!(client.told().await, "g0 0  ");
        for id in 1..9 {
            pass(Duration::from_millis(900)).await;
            let answer = format!("r{id} 200 re x by=peer;");
            assert_eq!(client.ask(&Wire::request(id, "a/b", "x")).await, answer);
        }
        assert_eq!(world.frames("go_away"), 1);
        pass(Duration::from_millis(900)).await;
        assert_eq!(client.ask(&Wire::new(b'h', 2)).await, "H2 0  ");
        pass(Duration::from_millis(200)).await;
        assert_eq!(client.told().await, "end", "heartbeats alone do not keep it");
        drop(client);
        assert_eq!(lines(world).await.len(), 8);
    });
}

#[test]
fn a_frame_that_does_not_come_to_its_end_ends_its_connection() {
    let limits = |header, stall| Limits {
        header_timeout: Duration::from_secs(header),
        stall_timeout: Duration::from_secs(stall),
        ..Limits::default()
    };
    for limits in [limits(3, 60), limits(60, 3)] {
        for length in [2, 20] {
            local(async {
                let (address, _) = echo().await;
                let setup = Setup::frames(&CodecFake::new(), address);
                let world = Setup { limits: limits.clone(), ..setup }.start().await;
                let mut client = world.talk().await;
                let bytes = Wire::request(1, "a/b", "x").bytes();
                client.io.write_all(&bytes[..length]).await.unwrap();
                pause();
                let start = Instant::now();
                assert_eq!(client.told().await, "end");
                assert!((2..5).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
                assert_eq!(world.malformed(), 1);
            });
        }
    }
}

#[test]
fn a_client_that_sends_on_past_the_end_gets_its_replies_and_an_end_in_order() {
    local(async {
        let (world, _) = echoing(&CodecFake::new()).await;
        let mut client = world.talk().await;
        let mut bytes = Wire::request(1, "a/b", "hi").bytes();
        bytes.extend(vec![b'?'; 300_000]);
        client.io.write_all(&bytes).await.unwrap();
        assert_eq!(client.told().await, "r1 200 re hi by=peer;");
        let end = client.io.read(&mut [0]).await;
        assert_eq!(end.expect("it was not cut off"), 0);
    });
}

#[test]
fn a_client_that_sends_on_for_ever_is_cut_off() {
    local(async {
        let (world, _) = echoing(&CodecFake::new()).await;
        let mut client = world.talk().await;
        while client.io.write_all(&[b'?'; 4096]).await.is_ok() {}
    });
}

#[test]
fn a_client_that_sends_nothing_more_gets_its_replies() {
    for limit in [100, 1] {
        local(async {
            let limits = Limits { streams_per_connection_max: limit, ..Limits::default() };
            let (address, _) = echo().await;
            let world = Setup { limits, ..Setup::frames(&CodecFake::new(), address) }.start().await;
            let mut client = world.talk().await;
            client.send_all(&[Wire::request(1, "a/b", "x"), Wire::request(2, "a/b", "y")]).await;
            client.io.shutdown().await.unwrap();
            let mut told = [client.told().await, client.told().await];
            told.sort();
            assert_eq!(told, ["r1 200 re x by=peer;", "r2 200 re y by=peer;"]);
            assert_eq!(client.told().await, "end");
            assert_eq!(lines(world).await, vec![line("upstream", 200); 2]);
        });
    }
}

#[test]
fn an_abort_ends_everything() {
    local(async {
        let (address, came) = silent().await;
        let world = Setup::frames(&CodecFake::new(), address).start().await;
        let mut client = world.talk().await;
        client.send(&Wire::request(1, "a/b", "")).await;
        came.notified().await;
        world.worker.abort.raise();
        assert_eq!(client.told().await, "end");
        assert_eq!(lines(world).await, [("drain".to_owned(), None)]);
    });
}

#[test]
fn a_client_that_breaks_off_gives_its_requests_up() {
    local(async {
        let (address, came) = silent().await;
        let world = Setup::frames(&CodecFake::new(), address).start().await;
        let mut client = world.talk().await;
        client.send(&Wire::request(1, "a/b", "")).await;
        came.notified().await;
        client.reset();
        assert_eq!(lines(world).await, [("client_gone".to_owned(), None)]);
    });
}

#[test]
fn a_silent_client_is_closed_but_never_while_it_waits() {
    local(async {
        let limits = Limits { idle_timeout: Duration::from_secs(4), ..Limits::default() };
        let (address, came) = silent().await;
        let setup = Setup { limits, ..Setup::frames(&CodecFake::new(), address) };
        let world = setup.start().await;
        let mut client = world.talk().await;
        client.send(&Wire { timeout_ms: 9000, ..Wire::request(1, "a/b", "") }).await;
        came.notified().await;
        pause();
        let start = Instant::now();
        assert!(client.told().await.starts_with("r1 504"), "it is not closed for idleness");
        assert!((8..11).contains(&start.elapsed().as_secs()));
        assert_eq!(client.told().await, "end");
        assert!((11..16).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
    });
}

#[test]
fn a_client_that_takes_nothing_is_given_up() {
    local(async {
        let limits = Limits { stall_timeout: Duration::from_secs(3), ..Limits::default() };
        let (address, _) = upstream(|stream| async move {
            let body = "x".repeat(3_000_000);
            let mut talk = Talk::new(stream);
            while let Some(frame) = talk.next().await {
                talk.send(&Wire::response(frame.id, &body)).await;
            }
        })
        .await;
        let setup = Setup { limits, ..Setup::frames(&CodecFake::new(), address) };
        let world = setup.start().await;
        let mut client = world.talk().await;
        for id in 1..10 {
            client.send(&Wire::request(id, "a/b", "")).await;
        }
        while world.frames("response") == 0 {
            tokio::task::yield_now().await;
        }
        let start = Instant::now();
        pause();
        world.worker.until_idle().await;
        assert!(start.elapsed() < Duration::from_secs(15));
        let reasons: Vec<_> = lines(world).await.into_iter().map(|(reason, _)| reason).collect();
        assert!(reasons.contains(&"timeout".to_owned()), "{reasons:?}");
    });
}

#[test]
fn a_codec_that_fails_ends_its_connection_alone() {
    for mood in [Mood::Fails, Mood::Never] {
        local(async {
            let codec = CodecFake::new();
            let limits = Limits { stall_timeout: Duration::from_millis(50), ..Limits::default() };
            let (address, came) = silent().await;
            let setup = Setup { limits, ..Setup::frames(&codec, address) };
            let world = setup.start().await;
            let (mut first, mut other) = (world.talk().await, world.talk().await);
            first.send(&Wire::request(1, "a/b", "")).await;
            came.notified().await;
            codec.decoding.set(mood);
            first.send(&Wire::request(2, "a/b", "")).await;
            assert_eq!(first.told().await, "end");
            let kind = if mood == Mood::Fails { FaultKind::Trapped } else { FaultKind::TimedOut };
            assert_eq!(codec.faults.borrow()[0].kind, kind);
            codec.decoding.set(Mood::Well);
            assert_eq!(other.ask(&Wire::new(b'h', 1)).await, "H1 0  ");
            drop(other);
            let lines = world.finish().await;
            assert_eq!(field(&lines[0], "reason"), Some("plugin_failed"));
            assert_eq!(lines.len(), 1);
        });
    }
}

#[test]
fn a_connection_without_a_codec_is_closed_with_a_line() {
    for beside in [false, true] {
        local(async {
            let codec = CodecFake { making: Mood::Fails, ..CodecFake::new() };
            let (address, _) = echo().await;
            let speaks = Speaks::Frames { http: beside, tcp: false };
            let world = Setup { speaks, ..Setup::frames(&codec, address) }.start().await;
            let mut client = world.talk().await;
            assert_eq!(client.told().await, "end");
            assert_eq!(codec.faults.borrow()[0].kind, FaultKind::LoadFailed);
            let lines = world.finish().await;
            assert_eq!(field(&lines[0], "reason"), Some("plugin_failed"));
            assert_eq!(field(&lines[0], "details"), Some("load_failed"));
        });
    }
}

#[test]
fn a_panic_in_one_request_hurts_no_other() {
    local(async {
        let log = Log::default();
        let filter = Fake::new(&log, "a").answering(|_, _, stream| {
            let head = stream.request.headers.borrow();
            let path = head.as_ref().and_then(|head| head.get(b":path").map(<[u8]>::to_vec));
            drop(head);
            assert!(path.as_deref() != Some(b"/panic/b"), "as the test wants it");
            Step::CONTINUE
        });
        let (address, _) = echo().await;
        let codec = CodecFake::new();
        let setup = Setup { listener_filters: vec![filter], ..Setup::frames(&codec, address) };
        let world = setup.start().await;
        let mut client = world.talk().await;
        client.send(&Wire::request(1, "panic/b", "")).await;
        assert_eq!(client.ask(&Wire::request(2, "a/b", "x")).await, "r2 200 re x by=peer;");
    });
}
