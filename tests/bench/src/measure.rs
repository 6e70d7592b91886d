//! The measurements: processor time per request in rounds, and memory per idle connection.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::{
    arguments::Arguments,
    candidate::Entry,
    load::{Connection, Load, Talk},
    process::Running,
};

/// One kind of request.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// Its name in the results.
    pub(crate) name: &'static str,
    /// What is spoken.
    pub(crate) talk: Talk,
    /// How long the response is.
    pub(crate) bytes: usize,
}

impl Scenario {
    /// What is asked for, as it is sent.
    pub(crate) fn request(&self) -> Vec<u8> {
        self.talk.request(self.bytes)
    }

    /// Those that a candidate takes part in.
    pub(crate) fn of(talk: Talk) -> impl Iterator<Item = &'static Self> {
        SCENARIOS.iter().filter(move |scenario| scenario.talk == talk)
    }
}

/// All kinds of requests.
pub(crate) const SCENARIOS: [Scenario; 3] = [
    Scenario { name: "100 B", talk: Talk::Http, bytes: 100 },
    Scenario { name: "10 KiB", talk: Talk::Http, bytes: 10 * 1024 },
    Scenario { name: "bolt, 100 B", talk: Talk::Bolt, bytes: 100 },
];

/// Before each load, so that connections to the upstream are open and caches are warm.
const WARM_UP: Duration = Duration::from_millis(200);

/// Idle connections are opened after some traffic, whose memory is not theirs.
const TRAFFIC_BEFORE_IDLE: Duration = Duration::from_millis(300);
const CONNECTIONS_BEFORE_IDLE: u16 = 16;

/// What one candidate took in one scenario, by round.
#[derive(Debug)]
pub(crate) struct Times {
    pub(crate) entry: &'static Entry,
    pub(crate) scenario: &'static Scenario,
    /// Microseconds of processor time per request.
    pub(crate) micros: Vec<f64>,
    /// Requests per second, which say nothing but whether the load was a load.
    pub(crate) rates: Vec<f64>,
}

/// Memory of one candidate.
#[derive(Debug)]
pub(crate) struct Memory {
    pub(crate) entry: &'static Entry,
    /// All of it, before the connections were opened.
    pub(crate) before_bytes: u64,
    /// What one idle connection added.
    pub(crate) connection_bytes: f64,
}

/// Loads all candidates in turn, round after round.
pub(crate) async fn rounds(running: &[Running], arguments: &Arguments) -> Result<Vec<Times>> {
    let empty = |scenario: &'static Scenario| {
        let taking_part = running.iter().filter(|one| one.entry.talk() == scenario.talk);
        taking_part.map(move |one| Times {
            entry: one.entry,
            scenario,
            micros: Vec::new(),
            rates: Vec::new(),
        })
    };
    let mut times: Vec<Times> = SCENARIOS.iter().flat_map(empty).collect();
    for round in 1..=arguments.rounds {
        println!("round {round} of {}", arguments.rounds);
        for times in &mut times {
            let found = running.iter().find(|one| one.entry.name == times.entry.name);
            let one = found.context("a candidate is lost")?;
            let (micros, rate) = load(one, times.scenario, arguments)
                .await
                .with_context(|| format!("{}, {}", one.entry.name, times.scenario.name))?;
            times.micros.push(micros);
            times.rates.push(rate);
        }
    }
    Ok(times)
}

/// One load: microseconds per request, and requests per second.
async fn load(
    one: &Running,
    scenario: &'static Scenario,
    arguments: &Arguments,
) -> Result<(f64, f64)> {
    let awake = one.wake()?;
    let connections = arguments.connections;
    let mut load = Load::open(one.address, connections, scenario).await?;
    load.run(WARM_UP).await?;
    let before = one.processor_time()?;
    let requests = load.run(arguments.load()).await?;
    let used = one.processor_time()?.saturating_sub(before);
    drop(load);
    drop(awake);
    one.forget_log()?;
    ensure!(requests > 0, "no request was answered in time");
    #[expect(clippy::cast_precision_loss, reason = "no run has 2^52 requests")]
    let requests = requests as f64;
    Ok((used.as_secs_f64() * 1e6 / requests, requests / arguments.seconds))
}

/// What idle connections add to the memory, each after one request.
pub(crate) async fn idle_memory(running: &[Running], idle: u16) -> Result<Vec<Memory>> {
    let mut memory = Vec::new();
    if idle == 0 {
        return Ok(memory);
    }
    for one in running {
        let Some(scenario) = Scenario::of(one.entry.talk()).next() else { continue };
        let request = scenario.request();
        println!("memory of {idle} idle connections: {}", one.entry.name);
        let awake = one.wake()?;
        let mut load = Load::open(one.address, CONNECTIONS_BEFORE_IDLE, scenario).await?;
        load.run(TRAFFIC_BEFORE_IDLE).await?;
        let before_bytes = one.resident_bytes()?;
        let mut open = Vec::new();
        for _ in 0..idle {
            let mut connection = Connection::open(one.address).await?;
            connection.ask(&request, scenario).await?;
            open.push(connection);
        }
        let added = one.resident_bytes()?.saturating_sub(before_bytes);
        #[expect(clippy::cast_precision_loss, reason = "no process has 2^52 bytes")]
        let connection_bytes = added as f64 / f64::from(idle);
        memory.push(Memory { entry: one.entry, before_bytes, connection_bytes });
        drop((open, load, awake));
        one.forget_log()?;
    }
    Ok(memory)
}
