//! The child's side: what it was told, what it answers, and what must not have come.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use abi_process::v1::{self, act, event, reply};
use parking_lot::Mutex;

use super::super::{Script, answer, script};

/// What the children of a test have noted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) events: u64,
    pub(super) opened: u64,
    pub(super) completed: u64,
    /// Contexts that went with their instance, or with the child.
    pub(super) lost: u64,
    pub(super) unanswered: u64,
    pub(super) failed: u64,
    pub(super) wrong: Vec<String>,
}

/// What one child knows.
pub(super) struct Ledger {
    generation: u32,
    dice: fastrand::Rng,
    instances: HashSet<u64>,
    contexts: HashMap<u64, Known>,
    /// No number of these is ever used again.
    used: HashSet<u64>,
    /// Contexts and directions that wait to be resumed.
    paused: Vec<(u64, i32, bool)>,
    /// What is answered after something else has come.
    late: Vec<(Asked, bool)>,
    tally: Arc<Mutex<Tally>>,
}

/// A context that is open.
#[derive(Debug)]
struct Known {
    instance: u64,
    is_stream: bool,
    /// The exchange that was not answered yet, each way.
    under_way: [Option<u64>; 2],
}

/// An event that is to be answered: of which context, which way.
struct Asked {
    context: u64,
    exchange: u64,
    way: usize,
    holds_bytes: bool,
}

impl Ledger {
    pub(super) fn script(generation: u32, seed: u64, tally: &Arc<Mutex<Tally>>) -> Script {
        let ledger = Mutex::new(Self {
            generation,
            dice: fastrand::Rng::with_seed(seed),
            instances: HashSet::new(),
            contexts: HashMap::new(),
            used: HashSet::new(),
            paused: Vec::new(),
            late: Vec::new(),
            tally: Arc::clone(tally),
        });
        script(move |event| ledger.lock().take(event))
    }

    fn wrong(&self, what: String) {
        let mut tally = self.tally.lock();
        if tally.wrong.len() < 10 {
            tally.wrong.push(what);
        }
    }

    fn take(&mut self, event: &event::Kind) -> Option<Vec<reply::Kind>> {
        use event::Kind;
        self.tally.lock().events += 1;
        match event {
            Kind::Configure(it) => return Some(vec![self.configure(it.instance)]),
            Kind::Open(it) => self.open(it),
            Kind::Close(it) => self.see(it.context, "a close"),
            Kind::Complete(it) => return Some(self.complete(it)),
            Kind::Release(it) => self.release(it.instance),
            other => {
                let asked = asked(other)?;
                return Some(self.ask(asked, other));
            }
        }
        Some(Vec::new())
    }

    fn configure(&mut self, instance: u64) -> reply::Kind {
        if !self.used.insert(instance) || !self.instances.insert(instance) {
            self.wrong(format!("instance {instance} was started twice"));
        }
        // Some write a log.
        let phases = if instance.is_multiple_of(2) { 0x7FF } else { 0x7BF };
        let configured = v1::Configured { instance, phases, ..v1::Configured::default() };
        reply::Kind::Configured(configured)
    }

    fn open(&mut self, open: &v1::Open) {
        self.tally.lock().opened += 1;
        if !self.instances.contains(&open.instance) {
            self.wrong(format!("{open:?}, of an instance that is not there"));
        }
        if !self.used.insert(open.context) {
            self.wrong(format!("{open:?}, a second time"));
        }
        let known = Known { instance: open.instance, is_stream: true, under_way: [None; 2] };
        self.contexts.insert(open.context, known);
    }

    fn see(&mut self, context: u64, what: &str) {
        if !self.contexts.contains_key(&context) {
            self.wrong(format!("{what} of context {context}, which is not open"));
        }
    }

    fn complete(&mut self, complete: &v1::Complete) -> Vec<reply::Kind> {
        self.see(complete.context, "the end");
        self.contexts.remove(&complete.context);
        self.tally.lock().completed += 1;
        if complete.exchange == 0 {
            return Vec::new();
        }
        let context = complete.context;
        let written = v1::Answer { context, exchange: complete.exchange, ..self.blank() };
        vec![reply::Kind::Answer(written)]
    }

    fn release(&mut self, instance: u64) {
        if !self.instances.remove(&instance) {
            self.wrong(format!("instance {instance} was released and is not there"));
        }
        let before = self.contexts.len();
        self.contexts.retain(|_id, context| context.instance != instance);
        self.tally.lock().lost += (before - self.contexts.len()) as u64;
    }

    fn ask(&mut self, asked: Asked, event: &event::Kind) -> Vec<reply::Kind> {
        self.see(asked.context, "an event");
        if !self.used.insert(asked.exchange) {
            self.wrong(format!("exchange {} a second time", asked.exchange));
        }
        let is_stream = !matches!(event, event::Kind::NewConnection(_) | event::Kind::Data(_));
        if let Some(known) = self.contexts.get_mut(&asked.context) {
            known.is_stream = is_stream;
            let before = known.under_way[asked.way].replace(asked.exchange);
            if before.is_some() {
                self.wrong(format!("{event:?} before {before:?} was answered"));
            }
        }
        let mut replies = Vec::new();
        self.resume_some(&mut replies);
        self.stray(&asked, &mut replies);
        self.answer_late(&mut replies);
        if self.dice.u8(..) < 64 {
            self.late.push((asked, is_stream));
        } else {
            self.answer(&asked, is_stream, &mut replies);
        }
        replies
    }

    fn answer_late(&mut self, replies: &mut Vec<reply::Kind>) {
        while self.late.len() > 8 || !self.late.is_empty() && self.dice.bool() {
            let one = self.dice.usize(..self.late.len());
            let (asked, is_stream) = self.late.swap_remove(one);
            self.answer(&asked, is_stream, replies);
        }
    }

    fn blank(&self) -> v1::Answer {
        v1::Answer { generation: self.generation, ..v1::Answer::default() }
    }

    /// Lets some of those go on that wait, whether they are there or not.
    fn resume_some(&mut self, replies: &mut Vec<reply::Kind>) {
        while self.paused.len() > 8 || !self.paused.is_empty() && self.dice.u8(..) < 128 {
            let one = self.dice.usize(..self.paused.len());
            let (context, way, is_stream) = self.paused.swap_remove(one);
            let kind = if is_stream { act::Kind::Resume(way) } else { act::Kind::ResumeFlow(way) };
            replies.push(reply::Kind::Act(self.act(context, kind)));
        }
    }

    fn act(&self, context: u64, kind: act::Kind) -> v1::Act {
        let (generation, changes) = (self.generation, Vec::new());
        v1::Act { generation, context, changes, kind: Some(kind) }
    }

    /// Now and then, what means nothing or ends a stream from beside its hooks.
    fn stray(&mut self, asked: &Asked, replies: &mut Vec<reply::Kind>) {
        let (context, exchange) = (asked.context, asked.exchange);
        let stray = match self.dice.u8(..) {
            0..4 => v1::Answer { context, exchange: exchange + 1000, ..self.blank() },
            4..8 => v1::Answer { context: context + 1000, exchange, ..self.blank() },
            8..12 => {
                let generation = self.generation + 1;
                v1::Answer { generation, context, exchange, ..v1::Answer::default() }
            }
            12..16 => {
                let response = v1::Response { status: 403, ..v1::Response::default() };
                let act = self.act(context, act::Kind::Respond(response));
                return replies.push(reply::Kind::Act(act));
            }
            16..20 => {
                return replies.push(reply::Kind::Act(self.act(context, act::Kind::Reset(true))));
            }
            _ => return,
        };
        replies.push(reply::Kind::Answer(stray));
    }

    fn answer(&mut self, asked: &Asked, is_stream: bool, replies: &mut Vec<reply::Kind>) {
        let go = match self.dice.u16(..1000) {
            // It forgets one.
            0 => {
                self.tally.lock().unanswered += 1;
                return self.answered(asked);
            }
            1 => {
                self.tally.lock().failed += 1;
                v1::Go::Failed
            }
            2..40 => v1::Go::Respond,
            40..80 => v1::Go::Reset,
            80..280 => {
                let way = i32::from(asked.way == 1);
                self.paused.push((asked.context, way, is_stream));
                v1::Go::Pause
            }
            _ => v1::Go::Continue,
        };
        self.answered(asked);
        // Some statuses are none for a whole response.
        let status = if self.dice.u8(..) < 8 { 100 } else { 418 };
        let response = Some(v1::Response { status, ..v1::Response::default() });
        let verdict = Some(v1::Verdict { go: go.into(), response, error: "by chance".to_owned() });
        let changes = self.changes(asked);
        let (context, exchange) = (asked.context, asked.exchange);
        let answer = v1::Answer { context, exchange, changes, verdict, ..self.blank() };
        if self.dice.u8(..) < 4 {
            replies.push(reply::Kind::Answer(answer.clone()));
        }
        replies.push(reply::Kind::Answer(answer));
    }

    fn changes(&mut self, asked: &Asked) -> Vec<v1::Change> {
        if !asked.holds_bytes || self.dice.bool() {
            return Vec::new();
        }
        let splice = v1::Splice {
            direction: u32::from(asked.way == 1),
            start: self.dice.u64(..8),
            length: self.dice.u64(..8),
            bytes: "new".into(),
        };
        vec![v1::Change { kind: Some(v1::change::Kind::Body(splice)) }]
    }

    /// It may be asked the next thing of this direction.
    fn answered(&mut self, asked: &Asked) {
        if let Some(known) = self.contexts.get_mut(&asked.context) {
            known.under_way[asked.way] = None;
        }
    }
}

impl Drop for Ledger {
    /// The child is gone, with all that it knew.
    fn drop(&mut self) {
        self.tally.lock().lost += self.contexts.len() as u64;
    }
}

fn asked(event: &event::Kind) -> Option<Asked> {
    use event::Kind;
    let way = match event {
        Kind::Headers(it) => it.side,
        Kind::Body(it) => it.side,
        Kind::Trailers(it) => it.side,
        Kind::Data(it) => it.flow,
        _ => 0,
    };
    let v1::Answer { context, exchange, .. } = answer(event)?;
    let holds_bytes = matches!(event, Kind::Body(_));
    Some(Asked { context, exchange, way: usize::from(way == 1), holds_bytes })
}
