use std::rc::Rc;

use tokio::{
    io::{AsyncReadExt as _, duplex},
    task::{spawn_local, yield_now},
};

use super::*;
use crate::testing::local;

const STALL: Duration = Duration::from_secs(5);

fn frame(byte: u8, length: usize) -> Bytes {
    vec![byte; length].into()
}

async fn check(pipe: usize) {
    let (near, mut far) = duplex(pipe);
    let outbox = Rc::new(Outbox::default());
    let writing = Rc::clone(&outbox);
    let task = spawn_local(async move { writing.write_to(near, STALL).await });
    let mut expect = Vec::new();
    for number in 0..200_u8 {
        let frame = frame(number, usize::from(number) % 40);
        expect.extend_from_slice(&frame);
        outbox.push(frame);
        if number % 17 == 0 {
            yield_now().await;
        }
    }
    outbox.finish();
    let mut got = Vec::new();
    far.read_to_end(&mut got).await.unwrap();
    assert_eq!(got, expect);
    assert_eq!(task.await.unwrap(), ReplyReason::Upstream);
    assert_eq!(outbox.queue.borrow().bytes, 0);
}

#[test]
fn frames_go_out_in_order_and_whole_whatever_one_write_takes() {
    for pipe in [1, 7, 100, 100_000] {
        local(check(pipe));
    }
}

#[test]
fn who_can_wait_waits_until_there_is_room() {
    local(async {
        let (near, mut far) = duplex(64 * 1024);
        let outbox = Rc::new(Outbox::default());
        outbox.push(frame(1, BYTES_MAX - 1));
        assert!(outbox.has_room(), "a single frame may be larger than the room");
        outbox.push(frame(2, 100_000));
        assert!(!outbox.has_room());
        let waiters: Vec<_> = (0..3)
            .map(|_| {
                let outbox = Rc::clone(&outbox);
                spawn_local(async move {
                    outbox.until_room().await;
                    outbox.push(frame(3, BYTES_MAX));
                })
            })
            .collect();
        yield_now().await;
        assert_eq!(outbox.queue.borrow().frames.len(), 2, "they wait");
        let writing = Rc::clone(&outbox);
        let task = spawn_local(async move { writing.write_to(near, STALL).await });
        let whole = 4 * BYTES_MAX - 1 + 100_000;
        let mut got = vec![0; whole];
        far.read_exact(&mut got).await.unwrap();
        for waiter in waiters {
            waiter.await.unwrap();
        }
        outbox.finish();
        assert_eq!(task.await.unwrap(), ReplyReason::Upstream);
    });
}

#[test]
fn a_client_that_is_gone_or_takes_nothing_ends_it() {
    local(async {
        let outbox = Outbox::default();
        outbox.push(frame(1, 10));
        let (near, far) = duplex(4);
        tokio::time::pause();
        assert_eq!(outbox.write_to(near, STALL).await, ReplyReason::Timeout);
        drop(far);
        let (near, far) = duplex(4);
        drop(far);
        assert_eq!(outbox.write_to(near, STALL).await, ReplyReason::ClientGone);
    });
}
