//! The parts of a gRPC stream, each alone.

#![expect(clippy::excessive_nesting, reason = "a case is a loop in a loop in a loop")]

use super::{super::queue::QUEUED_BYTES_MAX, *};

#[test]
fn any_split_of_the_bytes_gives_the_same_messages() {
    let bytes = b"\0\0\0\0\x03one\0\0\0\0\0\0\0\0\0\x05three";
    for first in 0..bytes.len() {
        for second in first..bytes.len() {
            let mut unframer = Unframer::default();
            let mut messages = Vec::new();
            for part in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                unframer.push(part);
                while let Some(message) = unframer.next().unwrap() {
                    messages.push(message);
                }
            }
            assert_eq!(messages, ["one", "", "three"], "{first} {second}");
            assert!(!unframer.is_within());
        }
    }
}

#[test]
fn a_queue_takes_only_so_much_and_again_when_some_was_taken() {
    local(async {
        let queue = SendQueue::new(Outbound::default().bytes());
        let frames = SendQueue::frames(&queue);
        let mut frames = std::pin::pin!(frames);
        let half = vec![0; QUEUED_BYTES_MAX / 2];
        queue.push(&half, false).unwrap();
        assert_eq!(queue.push(&half, false), Err(CallError::LimitReached));
        let taken = futures_util::StreamExt::next(&mut frames).await;
        assert_eq!(taken.unwrap().unwrap().data_ref().unwrap().len(), half.len() + 5);
        queue.push(&half, false).unwrap();
        let _taken = futures_util::StreamExt::next(&mut frames).await;
        let mut count = 0;
        while queue.push(b"", false).is_ok() {
            count += 1;
        }
        assert!(count <= 4096, "small messages are counted, too: {count}");
    });
}

#[test]
fn a_message_counts_until_the_connection_let_it_go() {
    local(async {
        let outbound = Outbound::default();
        let whole = 64 * 1024 * 1024;
        let mut all = outbound.bytes();
        all.resize(whole).unwrap();
        let queue = SendQueue::new(outbound.bytes());
        assert_eq!(queue.push(b"x", false), Err(CallError::LimitReached), "others have it all");
        drop(all);
        queue.push(b"x", false).unwrap();
        let mut frames = Box::pin(SendQueue::frames(&queue));
        let taken = futures_util::StreamExt::next(&mut frames).await.unwrap().unwrap();
        drop((frames, queue));
        let mut all = outbound.bytes();
        assert_eq!(all.resize(whole), Err(CallError::LimitReached), "it is not written yet");
        drop(taken);
        assert_eq!(all.resize(whole), Ok(()));
    });
}

#[test]
fn a_message_for_which_others_leave_no_room_is_too_large() {
    local(async {
        let world = scripted(200, &[], vec![data(b"\0\0\0\0\x03o"), data(b"ne")]).await;
        let calls = calls(&world);
        let mut others = calls.outbound.bytes();
        others.resize(64 * 1024 * 1024 - 3).unwrap();
        let events = Events::default();
        let stream = calls.grpc_stream(method(), events.listener()).unwrap();
        let seen = events.until("closed").await;
        assert!(seen.last().unwrap().starts_with("closed 8"), "{seen:?}");
        drop(stream);
    });
}

#[test]
fn a_queue_that_ended_gives_all_and_one_that_is_given_up_breaks() {
    local(async {
        let queue = SendQueue::new(Outbound::default().bytes());
        let frames = SendQueue::frames(&queue);
        let mut frames = std::pin::pin!(frames);
        queue.push(b"last", false).unwrap();
        queue.end();
        queue.end();
        assert_eq!(queue.push(b"", false), Err(CallError::BadArgument));
        assert!(futures_util::StreamExt::next(&mut frames).await.unwrap().is_ok());
        assert!(futures_util::StreamExt::next(&mut frames).await.is_none());

        let queue = SendQueue::new(Outbound::default().bytes());
        queue.push(b"never", false).unwrap();
        let frames = SendQueue::frames(&queue);
        let mut frames = std::pin::pin!(frames);
        queue.give_up();
        assert!(futures_util::StreamExt::next(&mut frames).await.unwrap().is_err());
    });
    let queue = SendQueue::new(Outbound::default().bytes());
    drop(SendQueue::frames(&queue));
    assert_eq!(queue.push(b"", false), Err(CallError::BadArgument), "nobody sends it");
}

#[test]
fn only_the_fields_of_the_protocol_are_left_out_of_metadata() {
    let names = ["x-a", "Grpc-Timeout", "grpc-encoding", "TE", "grpc-trace-bin", "grpc-tags-bin"];
    let pairs = names.iter().map(|name| (name.as_bytes().to_vec(), b"1".to_vec())).collect();
    let kept: Vec<_> = own_metadata(&pairs).into_iter().map(|(name, _)| name).collect();
    assert_eq!(kept, [&b"x-a"[..], b"grpc-trace-bin", b"grpc-tags-bin"]);
}

#[test]
fn a_timeout_is_written_with_at_most_eight_digits() {
    for (time, text) in [
        (Duration::ZERO, "0u"),
        (Duration::from_micros(1_500), "1500u"),
        (Duration::from_secs(99), "99000000u"),
        (Duration::from_secs(100), "100000m"),
        (Duration::from_secs(200_000), "200000S"),
        (Duration::MAX, "99999999S"),
    ] {
        assert_eq!(timeout_text(time), text);
    }
}

#[test]
fn what_a_message_says_in_percents_is_decoded_and_what_is_broken_stays() {
    for (text, expect) in [
        ("", ""),
        ("plain", "plain"),
        ("a%20b%3A", "a b:"),
        ("%", "%"),
        ("%2", "%2"),
        ("%zz%41", "%zzA"),
        ("%ff", "\u{fffd}"),
    ] {
        let mut map = HeaderMap::new();
        map.insert("grpc-status", HeaderValue::from_static("13"));
        map.insert("grpc-message", HeaderValue::from_static(text));
        let status = Status::of_trailers(&map).unwrap();
        assert_eq!((status.code, &*status.message), (13, expect), "{text}");
    }
    assert_eq!(Status::of_trailers(&HeaderMap::new()), None);
}
