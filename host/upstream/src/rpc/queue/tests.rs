use std::{collections::VecDeque as Script, task::Waker};

use super::*;

impl Ticket {
    pub(crate) fn for_test(number: u64) -> Self {
        Self(number)
    }
}

/// Takes as many bytes a time as its script says; none where that is at its end.
#[derive(Default)]
struct Mouth {
    bites: Script<usize>,
    eaten: Vec<u8>,
}

impl AsyncWrite for Mouth {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let Some(bite) = self.bites.pop_front() else { return Poll::Pending };
        let all: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
        let eaten = bite.min(all.len());
        self.eaten.extend_from_slice(&all[..eaten]);
        Poll::Ready(Ok(eaten))
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

fn feed(queue: &Queue, mouth: &mut Mouth, bites: &[usize]) {
    mouth.bites.extend(bites);
    for _ in bites {
        assert!(queue.poll_write(Pin::new(mouth), &mut context()).is_ready());
    }
}

fn push(queue: &Queue, text: &'static str) -> Ticket {
    queue.push(Bytes::from_static(text.as_bytes()), None).unwrap()
}

#[test]
fn frames_are_written_in_order_whatever_the_peer_takes_at_a_time() {
    for bite in 1..12 {
        let queue = Queue::default();
        for text in ["one", "two", "three"] {
            push(&queue, text);
        }
        let mut mouth = Mouth::default();
        while queue.poll_filled(&context()).is_ready() {
            feed(&queue, &mut mouth, &[bite]);
        }
        assert_eq!(mouth.eaten, b"onetwothree", "{bite}");
    }
}

#[test]
fn a_frame_is_unsent_until_its_first_byte_goes_out() {
    let queue = Queue::default();
    let (one, two) = (push(&queue, "one"), push(&queue, "two"));
    let mut mouth = Mouth::default();
    assert!(queue.is_unsent(one) && queue.is_unsent(two));
    feed(&queue, &mut mouth, &[1]);
    assert!(!queue.is_unsent(one) && queue.is_unsent(two));
    feed(&queue, &mut mouth, &[2]);
    assert!(queue.is_unsent(two), "it was not begun");
    queue.close();
    assert!(!queue.is_unsent(one) && queue.is_unsent(two), "this can still be asked");
}

#[test]
fn only_what_was_not_begun_can_be_taken_back() {
    let queue = Queue::default();
    let tickets = ["one", "two", "three"].map(|text| push(&queue, text));
    let mut mouth = Mouth::default();
    feed(&queue, &mut mouth, &[1]);
    assert!(!queue.take_back(tickets[0]));
    assert!(queue.take_back(tickets[1]));
    while queue.poll_filled(&context()).is_ready() {
        feed(&queue, &mut mouth, &[4]);
    }
    assert_eq!(mouth.eaten, b"onethree");
}

#[test]
fn who_sends_one_way_learns_when_the_last_byte_is_out() {
    let queue = Queue::default();
    let (tell, mut written) = oneshot::channel();
    queue.push(Bytes::from_static(b"abc"), Some(tell)).unwrap();
    let mut mouth = Mouth::default();
    feed(&queue, &mut mouth, &[2]);
    assert!(written.try_recv().is_err());
    feed(&queue, &mut mouth, &[1]);
    written.try_recv().unwrap();
    let (tell, mut lost) = oneshot::channel();
    queue.push(Bytes::from_static(b"abc"), Some(tell)).unwrap();
    queue.close();
    assert!(matches!(lost.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
}

#[test]
fn it_is_full_by_bytes_and_by_frames() {
    let queue = Queue::default();
    let large = Bytes::from(vec![0; 2 * QUEUE_BYTES_MAX]);
    let controls = |queue: &Queue| queue.push_control(Bytes::from_static(b"x"));
    let ticket = queue.push(large, None).expect("a single frame may be larger");
    assert!(queue.push(Bytes::from_static(b"x"), None).is_none());
    assert!(queue.take_back(ticket));
    for _ in 0..QUEUE_FRAMES_MAX {
        push(&queue, "x");
    }
    assert!(queue.push(Bytes::from_static(b"x"), None).is_none());
    assert!(controls(&queue), "the proxy's own have room of their own");
}

#[test]
fn the_proxys_own_frames_have_a_limit_that_no_large_frame_touches() {
    let queue = Queue::default();
    queue.push(Bytes::from(vec![0; 8 * QUEUE_BYTES_MAX]), None).unwrap();
    for _ in 0..CONTROL_FRAMES_MAX {
        assert!(queue.push_control(Bytes::from_static(b"x")));
    }
    assert!(!queue.push_control(Bytes::from_static(b"x")));
    let mut mouth = Mouth::default();
    feed(&queue, &mut mouth, &[8 * QUEUE_BYTES_MAX + 1]);
    assert!(queue.push_control(Bytes::from_static(b"x")), "one was written");
}

#[test]
fn who_waits_outside_hears_of_room_and_of_the_end() {
    let queue = Queue::default();
    let fill = || queue.push(Bytes::from(vec![0; QUEUE_BYTES_MAX]), None).unwrap();
    let context = &mut context();
    let mut ticket = fill();
    for written in [false, true] {
        let mut waiting = std::pin::pin!(queue.until_room());
        assert!(waiting.as_mut().poll(context).is_pending());
        if written {
            feed(&queue, &mut Mouth::default(), &[QUEUE_BYTES_MAX]);
        } else {
            assert!(queue.take_back(ticket));
        }
        assert!(waiting.as_mut().poll(context).is_ready());
        ticket = fill();
    }
    let mut waiting = std::pin::pin!(queue.until_room());
    assert!(waiting.as_mut().poll(context).is_pending());
    queue.close();
    assert!(waiting.as_mut().poll(context).is_ready(), "it takes nothing any more");
}

#[test]
fn frames_that_were_taken_back_leave_room() {
    let queue = Queue::default();
    push(&queue, "first");
    for _ in 0..3 * QUEUE_FRAMES_MAX {
        let ticket = push(&queue, "x");
        assert!(queue.take_back(ticket));
    }
}

#[test]
fn a_closed_one_takes_nothing() {
    let queue = Queue::default();
    queue.close();
    assert!(queue.push(Bytes::from_static(b"x"), None).is_none());
    assert!(queue.poll_filled(&context()).is_pending());
}

#[test]
fn many_frames_make_few_writes() {
    let queue = Queue::default();
    for _ in 0..100 {
        push(&queue, "x");
    }
    let mut mouth = Mouth::default();
    feed(&queue, &mut mouth, &[1000, 1000]);
    assert_eq!(mouth.eaten.len(), 100);
    assert!(queue.poll_filled(&context()).is_pending());
}
