//! Runs cases against a proxy, one after the other.
//!
//! The probe's memory is read back over the same listener: a request that carries a tag is
//! answered with the records under it. Start reading at [`run`].

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::{
    Phase, Report, Target,
    case::{Case, Drive, Until, Which},
    exchange::{Exchange, Reply, send, send_tcp},
    judge::{Outcome, judge, judge_steps, pair},
    probe::{Functions, fields},
    report::Verdict,
    script::{Record, Script, Step, decode, hexadecimal},
};

/// How long a callback may keep the kit waiting.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it waits between two looks.
const PAUSE: Duration = Duration::from_millis(2);
/// The tag of the script that runs as the probe starts.
pub(crate) const START_TAG: u32 = 0x5741_5254;

/// Runs the cases whose names hold `filter`, and hands each verdict to `tell`.
pub(crate) async fn run(
    cases: &[Case],
    target: &Target,
    filter: &str,
    mut tell: impl FnMut(&Verdict),
) -> Report {
    let runner = Runner { target, functions: Functions::of(target.abi) };
    let started = runner.fetch(START_TAG).await.unwrap_or_default();
    let mut report = Report::new(&target.name);
    let mut start = start_records(cases, &started).into_iter();
    for (case, number) in cases.iter().zip(1_u32..) {
        let own = if matches!(case.drive, Drive::Start) { start.next() } else { None };
        if !case.name.contains(filter) || !runner.can_run(case) {
            continue;
        }
        let complaints = match own {
            Some(records) => judge_steps(&case.root, &records, target.is_ours()),
            None => Box::pin(runner.run(case, number.wrapping_mul(4))).await,
        };
        let verdict = Verdict::new(case, &complaints);
        tell(&verdict);
        report.add(verdict);
    }
    report
}

/// The steps of all cases that run as the probe starts.
pub(crate) fn start_steps(cases: &[Case]) -> Vec<Step> {
    let start = cases.iter().filter(|case| matches!(case.drive, Drive::Start));
    start.flat_map(|case| case.root.iter().cloned()).collect()
}

/// What belongs to each of those cases.
fn start_records<'a>(cases: &[Case], records: &'a [Record]) -> Vec<Vec<Option<&'a Record>>> {
    let mut found = pair(&start_steps(cases), records).into_iter();
    let start = cases.iter().filter(|case| matches!(case.drive, Drive::Start));
    start.map(|case| found.by_ref().take(case.root.len()).collect()).collect()
}

struct Runner<'a> {
    target: &'a Target,
    functions: Functions,
}

/// The tags of a case's scripts.
#[derive(Clone, Copy)]
struct Tags(u32);

impl Tags {
    fn of(self, which: Which) -> u32 {
        self.0.wrapping_add(match which {
            Which::Stream => 0,
            Which::Root => 1,
            Which::Armed => 2,
            Which::Beside => 3,
        })
    }
}

impl Runner<'_> {
    /// A case that needs what the target does not offer is not run, and not counted.
    fn can_run(&self, case: &Case) -> bool {
        let reachable = self.target.tcp.is_some() || !matches!(case.drive, Drive::Tcp(_));
        reachable && (self.target.is_ours() || !case.only_here)
    }

    async fn run(&self, case: &Case, tag: u32) -> Vec<String> {
        match Box::pin(self.try_run(case, Tags(tag))).await {
            Ok(outcome) => judge(case, &outcome, self.target.is_ours()),
            Err(why) => vec![why],
        }
    }

    async fn try_run(&self, case: &Case, tags: Tags) -> Result<Outcome, String> {
        let reply = match &case.drive {
            Drive::Http(exchange) => {
                self.arm(case, tags).await?;
                Box::pin(self.drive(case, exchange, tags)).await?
            }
            Drive::Tcp(exchange) => {
                if !case.root.is_empty() {
                    let script = self.encode(&case.root, tags.of(Which::Root))?;
                    self.tell_probe(fields::ROOT, &script).await?;
                }
                self.arm(case, tags).await?;
                let address = self.target.tcp.ok_or("no listener of bytes")?;
                let until = |nth| Until { which: Which::Armed, phase: Phase::DownstreamData, nth };
                send_tcp(address, exchange, async |sent| self.wait(until(sent), tags).await).await
            }
            Drive::Start => return Err("a case of the start was sent".to_owned()),
        };
        for until in &case.until {
            self.wait(*until, tags).await;
        }
        let mut outcome = Outcome { reply: Some(reply), ..Outcome::default() };
        for (which, place) in [
            (Which::Stream, &mut outcome.stream),
            (Which::Root, &mut outcome.root),
            (Which::Armed, &mut outcome.armed),
            (Which::Beside, &mut outcome.beside),
        ] {
            if !case.steps(which).is_empty() {
                *place = self.fetch(tags.of(which)).await.unwrap_or_default();
            }
        }
        outcome.metrics = self.target.metrics().await;
        Ok(outcome)
    }

    /// The next context that is made runs the case's script. Nothing may come in between.
    async fn arm(&self, case: &Case, tags: Tags) -> Result<(), String> {
        if case.armed.is_empty() {
            return Ok(());
        }
        let armed = self.encode(&case.armed, tags.of(Which::Armed))?;
        self.tell_probe(fields::ARM, &armed).await
    }

    /// The case's request, and the one beside it.
    async fn drive(&self, case: &Case, exchange: &Exchange, tags: Tags) -> Result<Reply, String> {
        let mut exchange = exchange.clone();
        if !case.stream.is_empty() {
            let script = self.encode(&case.stream, tags.of(Which::Stream))?;
            exchange = exchange.field(fields::SCRIPT, &script);
        }
        if !case.root.is_empty() {
            let script = self.encode(&case.root, tags.of(Which::Root))?;
            exchange = exchange.field(fields::ROOT, &script);
        }
        let until = |nth| Until { which: Which::Stream, phase: Phase::RequestBody, nth };
        let first = Box::pin(send(self.target.http, &exchange, async |sent| {
            self.wait(until(sent), tags).await;
        }));
        let Some(beside) = &case.beside else { return Ok(first.await) };
        let script = self.encode(&beside.steps, tags.of(Which::Beside))?;
        let second = beside.exchange.clone().field(fields::SCRIPT, &script);
        let later = async {
            self.wait(beside.after, tags).await;
            send(self.target.http, &second, async |_sent| {}).await
        };
        let (reply, _second) = tokio::join!(first, later);
        Ok(reply)
    }

    fn encode(&self, steps: &[Step], tag: u32) -> Result<String, String> {
        let script = Script { tag, steps: steps.to_vec() };
        let bytes = script.encode(&self.functions).map_err(|error| error.to_string())?;
        Ok(hexadecimal(&bytes))
    }

    async fn tell_probe(&self, field: &str, value: &str) -> Result<(), String> {
        let reply = self.ask_probe(field, value).await;
        reply.broken.map_or(Ok(()), Err)
    }

    async fn ask_probe(&self, field: &str, value: &str) -> Reply {
        let exchange = Exchange::get("/probe").http1().field(field, value);
        send(self.target.http, &exchange, async |_sent| {}).await
    }

    /// The records under a tag, where the probe knows it.
    async fn fetch(&self, tag: u32) -> Option<Vec<Record>> {
        records_of(&self.ask_fetch(tag).await)
    }

    async fn ask_fetch(&self, tag: u32) -> Reply {
        self.ask_probe(fields::FETCH, &hexadecimal(&tag.to_le_bytes())).await
    }

    /// Waits until a callback came; what did not come in time is the judge's business.
    async fn wait(&self, until: Until, tags: Tags) {
        let begun = Instant::now();
        loop {
            let reply = self.ask_fetch(tags.of(until.which)).await;
            let records = records_of(&reply).unwrap_or_default();
            let came = |record: &Record| record.phase == until.phase && record.nth >= until.nth;
            let gone = reply.broken.is_some();
            if gone || records.iter().any(came) || begun.elapsed() > PATIENCE {
                return;
            }
            sleep(PAUSE).await;
        }
    }
}

fn records_of(reply: &Reply) -> Option<Vec<Record>> {
    if reply.status == 200 && reply.broken.is_none() { decode(&reply.body) } else { None }
}
