//! The run: a proxy is started, attacked and judged.

mod judge;

use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use plugins_conformance::Upstream;
use tokio::{
    net::TcpListener,
    runtime::Builder,
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, interval},
};

use self::judge::Judge;
use crate::{
    attack::Form,
    catalogue,
    neighbour::Load,
    page::{self, Metrics},
    report::{Report, Verdict},
    setup::Setup,
};

/// How long the proxy may take to be ready, and to take the attacked configuration.
const START_PATIENCE: Duration = Duration::from_secs(30);
/// The whole run; what was not tried by then is not contained.
const RUN_MAX: Duration = Duration::from_secs(55);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);
/// Requests of the neighbour before anybody attacks; the first ones warm it up.
const WARM_UP: usize = 50;
const BEFORE: usize = 500;

/// The proxy under attack, a process of its own.
pub trait Target {
    /// True until it has ended.
    fn lives(&mut self) -> bool;
    /// Has it read its configuration again.
    fn reload(&mut self);
    /// Its resident memory, in bytes.
    fn memory(&self) -> u64;
    /// What it wrote to its log so far.
    fn log(&self) -> Vec<u8>;
}

/// What a run needs of its surroundings.
#[derive(Debug)]
pub struct Options<'a> {
    /// A private directory, empty.
    pub folder: &'a Path,
    /// The proxy's program, which is also the evil child.
    pub program: &'a Path,
    /// Why no children can be confined here, where they cannot: theirs are left out then.
    pub no_children: Option<String>,
    /// Only attacks whose names hold this.
    pub filter: &'a str,
}

/// Starts a proxy with `start`, which is given the configuration's file, attacks it, and judges.
///
/// # Errors
/// The peers of the run cannot be made, or the proxy does not start.
pub async fn run<T: Target>(
    options: &Options<'_>,
    start: impl FnOnce(&Path) -> io::Result<T>,
) -> io::Result<Report> {
    let begun = Instant::now();
    let peers = Peers::start().await?;
    let setup = peers.setup(options);
    let no_children = options.no_children.clone().or_else(|| setup.no_script());
    let wanted = catalogue::all().into_iter().filter(|attack| attack.name.contains(options.filter));
    let (attacks, left_out): (Vec<_>, Vec<_>) =
        wanted.partition(|attack| no_children.is_none() || matches!(attack.form, Form::Module(_)));
    setup.write(&[])?;
    let mut target = start(&setup.config())?;
    let web = until_ready(&setup, &mut target).await?;
    let before = quiet_load(web).await?;
    let during = Load::start(web)?;
    let skipped = |attack| Verdict { skipped: no_children.clone(), ..Verdict::of(attack) };
    let attacked = left_out.iter().map(skipped).collect();
    let mut report = Report { attacks: attacked, before, during: before, broken: None };
    setup.write(&attacks)?;
    target.reload();
    match until_taken(&setup, &mut target).await {
        Ok(listeners) => {
            let mut judge =
                Judge { setup: &setup, target: &mut target, listeners, trap: &peers.trap };
            for attack in &attacks {
                if begun.elapsed() > RUN_MAX {
                    report.broken = Some("it took too long".to_owned());
                }
                let verdict = match &report.broken {
                    None => judge.verdict(attack).await,
                    Some(why) => Verdict { outcome: why.clone(), ..Verdict::of(attack) },
                };
                if !judge.target.lives() && report.broken.is_none() {
                    report.broken = Some(format!("the proxy ended at {}", attack.name));
                }
                report.attacks.push(verdict);
            }
        }
        Err(why) => report.broken = Some(why.to_string()),
    }
    report.during = during.finish();
    Ok(report)
}

async fn quiet_load(web: SocketAddr) -> io::Result<crate::Figures> {
    let warm_up = Load::start(web)?;
    warm_up.answers(WARM_UP).await;
    let _warm = warm_up.finish();
    let load = Load::start(web)?;
    load.answers(BEFORE).await;
    Ok(load.finish())
}

async fn until_ready(setup: &Setup<'_>, target: &mut impl Target) -> io::Result<SocketAddr> {
    let begun = Instant::now();
    let admin = setup.admin();
    let mut timer = interval(PAUSE);
    loop {
        timer.tick().await;
        if page::page(&admin, "/readyz").await.is_some() {
            let found = page::listeners(&admin).await.unwrap_or_default();
            if let Some((_, web)) = found.iter().find(|(name, _)| name == "web") {
                return Ok(*web);
            }
        }
        if !target.lives() {
            return Err(io::Error::other(format!("the proxy does not start: {}", tail(target))));
        }
        if begun.elapsed() > START_PATIENCE {
            return Err(io::Error::other("the proxy is not ready in time"));
        }
    }
}

type Listeners = Vec<(String, SocketAddr)>;

/// Waits until the proxy has taken the attacked configuration: where it listens then.
async fn until_taken(setup: &Setup<'_>, target: &mut impl Target) -> io::Result<Listeners> {
    let begun = Instant::now();
    let admin = setup.admin();
    let mut timer = interval(PAUSE);
    while begun.elapsed() <= START_PATIENCE && target.lives() {
        timer.tick().await;
        let Some(metrics) = Metrics::read(&admin).await else { continue };
        if metrics.sum("mortise_config_reload_failures_total", &[]) > 0.0 {
            return Err(io::Error::other(format!(
                "the proxy refused the attacked configuration: {}",
                tail(target)
            )));
        }
        if metrics.sum("mortise_config_generation", &[]) > 1.0 {
            return Ok(page::listeners(&admin).await.unwrap_or_default());
        }
    }
    Err(io::Error::other("the proxy did not take the attacked configuration in time"))
}

/// The end of the log.
fn tail(target: &impl Target) -> String {
    let log = target.log();
    let text = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(12)..).unwrap_or_default().join("\n")
}

/// What the run has beside the proxy.
struct Peers {
    attacked: Upstream,
    quiet: SocketAddr,
    trap: Trap,
    /// Ends the neighbour's upstream when it goes.
    _quiet_ends: oneshot::Sender<()>,
}

impl Peers {
    async fn start() -> io::Result<Self> {
        let (quiet, _quiet_ends) = quiet_upstream().await?;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let attacked = Upstream::start(any, any).await?;
        Ok(Self { attacked, quiet, trap: Trap::start().await?, _quiet_ends })
    }

    fn setup<'a>(&self, options: &Options<'a>) -> Setup<'a> {
        Setup {
            folder: options.folder,
            program: options.program,
            upstream: (self.attacked.http(), self.attacked.tcp()),
            quiet: self.quiet,
            trap: self.trap.address,
        }
    }
}

/// The neighbour's upstream, on a thread of its own.
async fn quiet_upstream() -> io::Result<(SocketAddr, oneshot::Sender<()>)> {
    let (tell, told) = oneshot::channel();
    let (ends, end) = oneshot::channel::<()>();
    let serve = async move {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        match Upstream::start(any, any).await {
            Ok(upstream) => {
                // Who does not listen any more lets it end at once.
                let _told = tell.send(Ok(upstream.http()));
                let _ended = end.await;
            }
            Err(error) => drop(tell.send(Err(error))),
        }
    };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new()
        .name("upstream".to_owned())
        .spawn(move || runtime.block_on(serve))?;
    let address = told.await.map_err(io::Error::other)??;
    Ok((address, ends))
}

/// A listener that nobody may reach, and how often somebody did.
pub(crate) struct Trap {
    address: SocketAddr,
    caught: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Trap {
    async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?;
        let caught = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&caught);
        let accepting = tokio::spawn(async move {
            while let Ok((_stream, _peer)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Ok(Self { address, caught, accepting })
    }

    pub(crate) fn caught(&self) -> usize {
        self.caught.load(Ordering::Relaxed)
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
