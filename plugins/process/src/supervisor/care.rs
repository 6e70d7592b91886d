//! The care for one generation of a plugin: its child from the first start to the last stop.

use std::{
    rc::Rc,
    sync::{Arc, mpsc::SyncSender},
    time::Duration,
};

use host_extension::Condition;
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep},
};

use super::{
    Common,
    failure::StartFailure,
    plan::Plan,
    process::Ended,
    restarts::{End, Next, Reason, Restarts},
    start::{Running, start},
};
use crate::child::{ChildState, ChildWatch, Watchdog};

/// Reports of sessions that wait to be heard; one is enough.
const REPORTS_MAX: usize = 16;

/// What others hold of a generation's child. It is drained and stopped once this and all that
/// was cloned of its watch are gone.
#[derive(Debug)]
pub(crate) struct Face {
    watch: ChildWatch,
    condition: Arc<Mutex<Condition>>,
    dog: Arc<Dog>,
    /// Its end is what the care waits for.
    _held: watch::Sender<()>,
}

/// The care itself: runs on the supervisor's thread.
pub(crate) struct Care {
    plan: Arc<Plan>,
    watch: watch::Sender<ChildState>,
    condition: Arc<Mutex<Condition>>,
    reports: mpsc::Receiver<Report>,
    held: watch::Receiver<()>,
    restarts: Restarts,
    begun: Instant,
    generation: u32,
}

#[derive(Debug)]
struct Dog(mpsc::Sender<Report>);

/// What a session says of a child.
#[derive(Debug)]
struct Report {
    generation: u32,
    why: Box<str>,
}

impl Watchdog for Dog {
    fn give_up(&self, generation: u32, why: &str) {
        // A full queue holds reports of the same child already.
        let _queued = self.0.try_send(Report { generation, why: why.into() });
    }
}

impl Face {
    pub(crate) fn watch(&self) -> ChildWatch {
        self.watch.clone()
    }

    pub(crate) fn watchdog(&self) -> Arc<dyn Watchdog> {
        Arc::<Dog>::clone(&self.dog)
    }

    pub(crate) fn condition(&self) -> Condition {
        self.condition.lock().clone()
    }
}

/// Why a child that served does so no more.
enum Left {
    /// It ended by itself.
    Ended(Ended),
    /// A session gave it up, for this reason.
    GivenUp(Box<str>),
    /// Nobody wants it any more.
    Unwanted,
}

impl Care {
    pub(crate) fn new(plan: Plan) -> (Self, Face) {
        let (watch, watching) = watch::channel(ChildState::Starting);
        let (report, reports) = mpsc::channel(REPORTS_MAX);
        let (hold, held) = watch::channel(());
        let condition = Condition {
            state: "starting",
            restarts: 0,
            pid: None,
            story: "it is being started".to_owned(),
        };
        let condition = Arc::new(Mutex::new(condition));
        let face = Face {
            watch: watching,
            condition: Arc::clone(&condition),
            dog: Arc::new(Dog(report)),
            _held: hold,
        };
        let restarts = Restarts::new(plan.settings.restart);
        let begun = Instant::now();
        let plan = Arc::new(plan);
        (Self { plan, watch, condition, reports, held, restarts, begun, generation: 0 }, face)
    }

    /// Starts the child, tells how that went, and looks after it until nobody wants it. A child
    /// whose first start fails is not started again.
    pub(crate) async fn run(mut self, common: Rc<Common>, told: SyncSender<Result<(), String>>) {
        let mut child = match self.start(&common).await {
            Some(Ok(child)) => child,
            Some(Err(failure)) => {
                let _heard = told.send(Err(failure.text));
                return;
            }
            None => return,
        };
        let _heard = told.send(Ok(()));
        loop {
            let since = Instant::now();
            let story = match self.serve(&mut child).await {
                Left::Unwanted => return self.drain(child).await,
                Left::GivenUp(why) => {
                    let pid = Some(child.process.pid());
                    self.say("unresponsive", pid, format!("it {why} and is killed"));
                    child.process.kill().await;
                    format!("it {why} and was killed")
                }
                Left::Ended(ended) => format!("it ended {ended}"),
            };
            let story = story + &child.last_lines().await;
            drop(child);
            match self.again(End::Served(since.elapsed()), story, &common).await {
                Some(next) => child = next,
                None => return,
            }
        }
    }

    /// Waits and starts it again, until it serves. Nothing where nobody wants it any more.
    async fn again(&mut self, end: End, story: String, common: &Common) -> Option<Running> {
        let (mut end, mut story) = (end, story);
        loop {
            match self.restarts.after(end, self.begun.elapsed()) {
                Next::GiveUp(reason) => {
                    self.trip(&story, reason);
                    let _wanted_no_more = self.held.changed().await;
                    return None;
                }
                Next::Within(longest) => {
                    let wait = jittered(longest);
                    self.say_down("backoff", format!("{story}; it is started again in {wait:?}"));
                    tokio::select! {
                        () = sleep(wait) => {}
                        _ = self.held.changed() => return None,
                    }
                }
            }
            match self.start(common).await? {
                Ok(child) => return Some(child),
                Err(failure) => {
                    end = End::NotReady(failure.kind);
                    story = failure.text;
                }
            }
        }
    }

    /// One start. Nothing where nobody wants it any more.
    async fn start(&mut self, common: &Common) -> Option<Result<Running, StartFailure>> {
        self.generation = self.generation.saturating_add(1);
        self.watch.send_replace(ChildState::Starting);
        self.say("starting", None, "it is being started".to_owned());
        let plan = Arc::clone(&self.plan);
        let generation = self.generation;
        let started = async {
            let _permit = common.starts.acquire().await;
            start(&plan, generation).await
        };
        let started = tokio::select! {
            started = started => started,
            _ = self.held.changed() => return None,
        };
        match &started {
            Ok(child) => {
                let pid = child.process.pid();
                tracing::info!(plugin = %self.plan.name, pid, generation, "plugin process is ready");
                self.say("ready", Some(pid), "it serves".to_owned());
                self.watch.send_replace(ChildState::Ready(Arc::clone(&child.reach)));
            }
            Err(failure) => {
                tracing::warn!(plugin = %self.plan.name, "plugin process did not start: {}", failure.text);
            }
        }
        Some(started)
    }

    async fn serve(&mut self, child: &mut Running) -> Left {
        loop {
            tokio::select! {
                biased;
                ended = child.process.ended() => return Left::Ended(ended),
                _ = self.held.changed() => return Left::Unwanted,
                Some(report) = self.reports.recv() => {
                    if report.generation == self.generation {
                        return Left::GivenUp(report.why);
                    }
                }
            }
        }
    }

    /// Lets streams end, then the child.
    async fn drain(mut self, mut child: Running) {
        let pid = Some(child.process.pid());
        self.say("draining", pid, "its last streams end".to_owned());
        let limit = sleep(self.plan.settings.drain_timeout);
        tokio::pin!(limit);
        loop {
            tokio::select! {
                () = self.watch.closed() => break,
                () = &mut limit => break,
                ended = child.process.ended() => {
                    let story = format!("it ended {ended} while its last streams did");
                    self.say_down("stopped", story);
                    break;
                }
                Some(report) = self.reports.recv() => {
                    if report.generation == self.generation {
                        break;
                    }
                }
            }
        }
        self.watch.send_replace(ChildState::Down("it was stopped".into()));
        let ended = child.stop().await;
        tracing::debug!(plugin = %self.plan.name, "plugin process was stopped: it ended {ended}");
        self.say("stopped", None, "it was stopped".to_owned());
    }

    fn trip(&self, story: &str, reason: Reason) {
        let text = match reason {
            Reason::Fatal => format!("{story}; it is not started again until it is loaded anew"),
            Reason::Budget { ends, window } => format!(
                "{story}; it ended {ends} times within {window:?} and is not started again until \
                 it is loaded anew"
            ),
        };
        self.say_down("tripped", text);
    }

    fn say_down(&self, state: &'static str, story: String) {
        tracing::warn!(plugin = %self.plan.name, state, "plugin process is down: {story}");
        self.watch.send_replace(ChildState::Down(story.as_str().into()));
        self.say(state, None, story);
    }

    fn say(&self, state: &'static str, pid: Option<u32>, story: String) {
        let restarts = u64::from(self.generation.saturating_sub(1));
        *self.condition.lock() = Condition { state, restarts, pid, story };
    }
}

/// Somewhere between nothing and the longest.
fn jittered(longest: Duration) -> Duration {
    let micros = u64::try_from(longest.as_micros()).unwrap_or(u64::MAX);
    Duration::from_micros(fastrand::u64(0..=micros))
}
