//! A thread that writes lines, and the queue before it.
//!
//! Whoever has lines hands them over in chunks and never waits: where the queue is full the
//! chunk is dropped and its lines are counted. A full disk, a closed pipe or a slow terminal
//! therefore costs lines, never traffic. Start reading at [`Sink::send`] and [`Writer::run`].

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use crate::LineCounts;

/// Chunks that wait for the writer. With chunks of 32 KiB this bounds the memory to 8 MiB.
pub(crate) const QUEUE_MAX: usize = 256;

/// Longest wait for the last lines when the process ends.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Whole lines, and how many.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lines: u64,
}

/// The sending side. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    queue: SyncSender<Message>,
    orders: Arc<Orders>,
    counts: Arc<LineCounts>,
}

/// Ends the writer, after what was queued before, when it is dropped.
#[derive(Debug)]
pub(crate) struct SinkGuard {
    sink: Sink,
    /// Disconnected when the writer has ended.
    ended: Receiver<()>,
}

/// Where lines go.
pub(crate) trait Output: Write + Send {
    /// Opens again what has a name, so that a renamed file is left behind.
    fn reopen(&mut self) -> io::Result<()>;
}

#[derive(Debug)]
enum Message {
    Lines(Chunk),
    /// Look at the orders.
    Wake,
}

/// What the writer is to do. Flags, so that an order gets through a full queue.
#[derive(Debug, Default)]
struct Orders {
    reopen: AtomicBool,
    stop: AtomicBool,
}

impl Sink {
    /// Starts the writer thread, called `name`. With `report` failures are logged, which the
    /// log itself must not do.
    pub(crate) fn start(
        name: &str,
        output: Box<dyn Output>,
        counts: Arc<LineCounts>,
        report: bool,
    ) -> io::Result<(Self, SinkGuard)> {
        let (queue, messages) = sync_channel(QUEUE_MAX);
        let (running, ended) = sync_channel(0);
        let sink = Self { queue, orders: Arc::default(), counts };
        let mut writer = Writer {
            name: name.to_owned(),
            output,
            orders: Arc::clone(&sink.orders),
            counts: Arc::clone(&sink.counts),
            report,
            failing: false,
            torn: false,
        };
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            writer.run(&messages);
            // Closed first, so that what is sent after the end is counted as dropped.
            drop(messages);
            drop(running);
        })?;
        Ok((sink.clone(), SinkGuard { sink, ended }))
    }

    /// Hands a chunk over, or drops it where the queue is full.
    pub(crate) fn send(&self, chunk: Chunk) {
        let lines = chunk.lines;
        if self.queue.try_send(Message::Lines(chunk)).is_err() {
            self.counts.dropped_total.add(lines);
        }
    }

    /// Has the output opened again.
    pub(crate) fn reopen(&self) {
        self.orders.reopen.store(true, Ordering::Release);
        self.wake();
    }

    fn wake(&self) {
        // A full queue wakes the writer, too; a writer that ended needs no orders.
        drop(self.queue.try_send(Message::Wake));
    }
}

impl Drop for SinkGuard {
    fn drop(&mut self) {
        self.sink.orders.stop.store(true, Ordering::Release);
        self.sink.wake();
        // A writer that hangs in the kernel is left behind: the process ends without it.
        let waited = self.ended.recv_timeout(STOP_TIMEOUT);
        debug_assert_ne!(waited, Ok(()), "nothing is ever sent");
        if waited == Err(RecvTimeoutError::Timeout) && !thread::panicking() {
            tracing::debug!("a log writer hangs; its last lines may be lost");
        }
    }
}

struct Writer {
    name: String,
    output: Box<dyn Output>,
    orders: Arc<Orders>,
    counts: Arc<LineCounts>,
    report: bool,
    /// The last write failed, and that was reported.
    failing: bool,
    /// The last write broke off within a line.
    torn: bool,
}

impl Writer {
    fn run(&mut self, messages: &Receiver<Message>) {
        while let Ok(message) = messages.recv() {
            self.handle(message);
            if self.orders.stop.load(Ordering::Acquire) {
                messages.try_iter().for_each(|message| self.handle(message));
                return;
            }
        }
    }

    fn handle(&mut self, message: Message) {
        if self.orders.reopen.swap(false, Ordering::AcqRel) {
            self.reopen();
        }
        if let Message::Lines(chunk) = message {
            self.write(&chunk);
        }
    }

    fn reopen(&mut self) {
        match self.output.reopen() {
            Ok(()) => self.torn = false,
            Err(error) if self.report => {
                tracing::error!(log = self.name, %error, "cannot reopen; the old file goes on");
            }
            Err(_) => {}
        }
    }

    fn write(&mut self, chunk: &Chunk) {
        match self.try_write(&chunk.bytes) {
            Ok(()) => {
                self.counts.written_total.add(chunk.lines);
                self.failing = false;
            }
            Err(error) => {
                self.counts.failed_total.add(chunk.lines);
                if self.report && !self.failing {
                    tracing::error!(log = self.name, %error, "cannot write; lines are lost");
                }
                self.failing = true;
            }
        }
    }

    /// Writes whole lines: where the last write broke off within one, that one is ended first.
    fn try_write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.torn {
            self.output.write_all(b"\n")?;
            self.torn = false;
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            match self.output.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    let (done, next) = rest.split_at(written.min(rest.len()));
                    self.torn = !done.ends_with(b"\n");
                    rest = next;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.output.flush()
    }
}

/// A file that is appended to.
#[derive(Debug)]
pub(crate) struct FileOutput {
    path: PathBuf,
    file: File,
}

impl FileOutput {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), file: open(path)? })
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl Write for FileOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for FileOutput {
    fn reopen(&mut self) -> io::Result<()> {
        self.file = open(&self.path)?;
        Ok(())
    }
}

impl Output for io::Stdout {
    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output for io::Stderr {
    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
