//! One direction of a stream or connection in a test: what came, what the filter has in hand,
//! and what passed it.

use std::collections::VecDeque;

use crate::{
    Fields, HostError,
    backend::{FieldChange, Section},
    testing::head,
};

/// Most bytes that a filter may hold, as the proxy has it by default.
pub(super) const HELD_BYTES_MAX: usize = 1 << 20;

/// What went on to the other side.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Passed {
    /// The head as the filter left it.
    pub head: Option<Fields>,
    /// The bytes of the body so far.
    pub body: Vec<u8>,
    /// The trailers, where there are some.
    pub trailers: Option<Fields>,
    /// True where the message has ended.
    pub ended: bool,
}

/// A part of a message on its way.
#[derive(Clone, Debug)]
pub(super) enum Part {
    Head { end: bool },
    Body { bytes: Vec<u8>, end: bool },
    Trailers(Fields),
}

impl Part {
    /// True for bytes that are none, and not the last.
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self, Self::Body { bytes, end: false } if bytes.is_empty())
    }
}

/// What a direction waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Wait {
    /// To be resumed: the head, which may be all.
    Head { end: bool },
    /// To be resumed, or for more bytes.
    More,
    /// To be resumed: the last bytes, and trailers where there are some.
    End,
}

/// One direction of a stream.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "they are told and looked at apart")]
pub(super) struct Message {
    /// Parts that the filter was not shown yet.
    pub(super) queue: VecDeque<Part>,
    /// The head, as long as it can be read.
    pub(super) head: Option<Fields>,
    /// True once the head is on its way.
    pub(super) sent: bool,
    pub(super) trailers: Option<Fields>,
    /// The bytes that the filter has in hand.
    pub(super) in_hand: Option<Vec<u8>>,
    /// The filter is shown the end, where trailers can be written.
    pub(super) at_end: bool,
    pub(super) wait: Option<Wait>,
    /// It was said to go on since the newest callback began.
    pub(super) resumed: bool,
    /// Nothing more of it is shown to anybody.
    pub(super) over: bool,
    /// The last part was put in.
    pub(super) closed: bool,
    /// Bytes of body that came.
    pub(super) body_bytes: u64,
    pub(super) passed: Passed,
}

impl Message {
    pub(super) fn new(section: Section, head: Fields) -> Self {
        Self { head: Some(head::normal(section, head)), ..Self::default() }
    }

    /// Puts a part in, behind those that wait.
    pub(super) fn put(&mut self, part: Part) {
        let is_head = matches!(part, Part::Head { .. });
        let is_first = self.queue.is_empty() && !self.sent && self.wait.is_none();
        assert!(is_head == is_first, "the head comes first, and once");
        assert!(!self.closed, "a part came behind the end of the message");
        match &part {
            Part::Head { end } => self.closed = *end,
            Part::Body { bytes, end } => {
                self.closed = *end;
                self.body_bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            }
            Part::Trailers(_) => self.closed = true,
        }
        self.queue.push_back(part);
    }

    /// The next part, where nothing is waited for that must come before it.
    pub(super) fn next(&mut self) -> Option<Part> {
        let is_stopped = self.over || matches!(self.wait, Some(Wait::Head { .. } | Wait::End));
        if is_stopped { None } else { self.queue.pop_front() }
    }

    /// What is waited for, where it was resumed since.
    pub(super) fn resumed_wait(&self) -> Option<Wait> {
        self.wait.filter(|_| self.resumed)
    }

    /// Puts a part into the filter's hands; `at_end` lets it write trailers.
    pub(super) fn show(&mut self, part: &Part, at_end: bool) {
        match part {
            Part::Head { .. } => {}
            Part::Body { bytes, .. } => self.in_hand.get_or_insert_default().extend(bytes),
            Part::Trailers(fields) => {
                self.in_hand.get_or_insert_default();
                self.trailers = Some(fields.clone());
            }
        }
        self.wait = None;
        self.resumed = false;
        self.at_end = at_end;
    }

    /// Waits; false where a filter holds too much.
    pub(super) fn hold(&mut self, wait: Wait) -> bool {
        self.wait = Some(wait);
        let held = self.in_hand.as_ref().map_or(0, Vec::len);
        wait != Wait::More || held <= HELD_BYTES_MAX
    }

    /// Sends the head on; a copy stays readable where it is kept.
    pub(super) fn pass_head(&mut self, keeps: bool, end: bool) {
        self.passed.head.clone_from(&self.head);
        self.sent = true;
        self.passed.ended |= end;
        if !keeps {
            self.head = None;
        }
    }

    /// Sends on what is in hand.
    pub(super) fn pass_body(&mut self) {
        self.passed.body.extend(self.in_hand.take().unwrap_or_default());
    }

    /// Sends on what is in hand, and the trailers.
    pub(super) fn pass_end(&mut self, keeps: bool) {
        self.pass_body();
        self.at_end = false;
        self.passed.ended = true;
        self.passed.trailers = self.trailers.clone().filter(|trailers| !trailers.is_empty());
        if !keeps {
            self.trailers = None;
        }
    }

    /// Takes everything out of the filter's hands.
    pub(super) fn stop(&mut self) {
        self.over = true;
        self.queue.clear();
        self.in_hand = None;
        self.at_end = false;
        self.wait = None;
    }

    /// The stream is over: heads can be read still, where they are kept.
    pub(super) fn close(&mut self) {
        self.stop();
        self.sent = true;
    }

    pub(super) fn fields(&self, section: Section) -> Result<&Fields, HostError> {
        let fields = if is_head(section) { &self.head } else { &self.trailers };
        fields.as_ref().ok_or(HostError::WrongPhase)
    }

    pub(super) fn change(
        &mut self,
        section: Section,
        change: FieldChange<'_>,
    ) -> Result<(), HostError> {
        let fields = if is_head(section) {
            self.head.as_mut().filter(|_| !self.sent)
        } else if self.at_end {
            Some(self.trailers.get_or_insert_default())
        } else {
            None
        };
        head::change(fields.ok_or(HostError::WrongPhase)?, section, change)
    }
}

/// Replaces `length` bytes from `start`, both cut to what is there.
pub(super) fn splice(
    in_hand: Option<&mut Vec<u8>>,
    start: usize,
    length: usize,
    with: &[u8],
) -> Result<(), HostError> {
    let bytes = in_hand.ok_or(HostError::WrongPhase)?;
    let start = start.min(bytes.len());
    let end = start.saturating_add(length).min(bytes.len());
    let after = bytes.len() - (end - start) + with.len();
    // It may always shrink.
    if after > HELD_BYTES_MAX.max(bytes.len()) {
        return Err(HostError::LimitReached);
    }
    drop(bytes.splice(start..end, with.iter().copied()));
    Ok(())
}

fn is_head(section: Section) -> bool {
    matches!(section, Section::RequestHeaders | Section::ResponseHeaders)
}
