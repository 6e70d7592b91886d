use std::{
    io::{self, Write},
    sync::{
        Arc,
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
};

use super::{Chunk, Output, QUEUE_MAX, Sink, SinkGuard};
use crate::LineCounts;

/// Says when a write begins, and ends it with what it is told.
struct Scripted {
    begun: Sender<Vec<u8>>,
    results: Receiver<io::Result<usize>>,
    reopened: Sender<()>,
}

impl Write for Scripted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.begun.send(bytes.to_vec()).unwrap();
        self.results.recv().unwrap_or(Ok(bytes.len()))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for Scripted {
    fn reopen(&mut self) -> io::Result<()> {
        self.reopened.send(()).unwrap();
        Ok(())
    }
}

struct Bench {
    sink: Sink,
    guard: SinkGuard,
    counts: Arc<LineCounts>,
    begun: Receiver<Vec<u8>>,
    results: SyncSender<io::Result<usize>>,
    reopened: Receiver<()>,
}

fn bench() -> Bench {
    let (begun_sender, begun) = channel();
    let (results, results_receiver) = sync_channel(QUEUE_MAX * 2);
    let (reopened_sender, reopened) = channel();
    let output =
        Scripted { begun: begun_sender, results: results_receiver, reopened: reopened_sender };
    let counts = Arc::<LineCounts>::default();
    let (sink, guard) = Sink::start("test", Box::new(output), Arc::clone(&counts), true).unwrap();
    Bench { sink, guard, counts, begun, results, reopened }
}

fn chunk(text: &str) -> Chunk {
    let lines = text.lines().count().try_into().unwrap();
    Chunk { bytes: text.as_bytes().to_vec(), lines }
}

#[test]
fn what_does_not_fit_into_the_queue_is_dropped_and_counted_by_lines() {
    let bench = bench();
    bench.sink.send(chunk("first\n"));
    // The writer has taken this one and hangs in it; the queue is empty again.
    bench.begun.recv().unwrap();
    for _place in 0..QUEUE_MAX {
        bench.sink.send(chunk("queued\n"));
    }
    bench.sink.send(chunk("one\ntwo\n"));
    bench.sink.send(chunk("three\n"));
    assert_eq!(bench.counts.dropped_total.value(), 3);
    // Orders get through all the same.
    bench.sink.reopen();
    drop(bench.results);
    drop(bench.guard);
    assert_eq!(bench.counts.written_total.value(), 1 + QUEUE_MAX as u64);
    assert_eq!(bench.reopened.try_iter().count(), 1);
}

#[test]
fn a_failing_write_is_counted_and_the_torn_line_is_ended_before_the_next() {
    let bench = bench();
    for result in [
        Ok(2),
        Err(io::ErrorKind::StorageFull.into()),
        Err(io::ErrorKind::StorageFull.into()),
        Err(io::ErrorKind::Interrupted.into()),
    ] {
        bench.results.send(result).unwrap();
    }
    bench.sink.send(chunk("torn\n"));
    bench.sink.send(chunk("lost\n"));
    drop(bench.results);
    bench.sink.send(chunk("kept\n"));
    drop(bench.guard);
    let written: Vec<_> = bench.begun.try_iter().collect();
    let expect: [&[u8]; 6] = [b"torn\n", b"rn\n", b"\n", b"\n", b"\n", b"kept\n"];
    assert_eq!(written, expect);
    assert_eq!(bench.counts.failed_total.value(), 2);
    assert_eq!(bench.counts.written_total.value(), 1);
}

#[test]
fn what_was_queued_is_written_before_the_end_and_what_comes_later_is_dropped() {
    let bench = bench();
    drop(bench.results);
    for _line in 0..10 {
        bench.sink.send(chunk("line\n"));
    }
    drop(bench.guard);
    assert_eq!(bench.counts.written_total.value(), 10);
    bench.sink.send(chunk("late\n"));
    assert_eq!(bench.counts.dropped_total.value(), 1);
}
