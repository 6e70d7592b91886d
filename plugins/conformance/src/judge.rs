//! Whether what came of a case is what must come of it.
//!
//! Pure: records, a reply, and the case go in; complaints come out. Start reading at [`judge`].

use abi_wasm::decode_pairs;

use crate::{
    Phase,
    case::{Case, Check, Which},
    exchange::Reply,
    script::{Answer, Record, Step, Value},
};

/// What came of a case.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// What the client got, where there was one.
    pub(crate) reply: Option<Reply>,
    pub(crate) stream: Vec<Record>,
    pub(crate) root: Vec<Record>,
    pub(crate) armed: Vec<Record>,
    pub(crate) beside: Vec<Record>,
    /// The metrics page, where the case looks at it.
    pub(crate) metrics: String,
}

impl Outcome {
    pub(crate) fn records(&self, which: Which) -> &[Record] {
        match which {
            Which::Stream => &self.stream,
            Which::Root => &self.root,
            Which::Armed => &self.armed,
            Which::Beside => &self.beside,
        }
    }
}

/// What is wrong; nothing where the case passed. `strict` is for our own host, which must do
/// what a case says; others may differ where the case says so.
pub(crate) fn judge(case: &Case, outcome: &Outcome, strict: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for which in [Which::Stream, Which::Root, Which::Armed, Which::Beside] {
        let steps = case.steps(which);
        let records = pair(steps, outcome.records(which));
        wrong.extend(judge_steps(steps, &records, strict));
    }
    wrong.extend(case.checks.iter().filter_map(|check| judge_check(check, outcome, strict)));
    wrong
}

/// What is wrong with the answers of calls.
pub(crate) fn judge_steps(
    steps: &[Step],
    records: &[Option<&Record>],
    strict: bool,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for (step, record) in steps.iter().zip(records) {
        let Some(answer) = &step.answer else { continue };
        let complaint = match record {
            Some(record) => judge_answer(answer, record, strict),
            None => Some("was not reached".to_owned()),
        };
        let place = format!("{} in {}", step.call.name(), step.phase.label());
        wrong.extend(complaint.map(|complaint| format!("{place}: {complaint}")));
    }
    wrong
}

/// The record of each step's first time.
pub(crate) fn pair<'a>(steps: &[Step], records: &'a [Record]) -> Vec<Option<&'a Record>> {
    let mut found = vec![None; steps.len()];
    let mut running: Vec<usize> = Vec::new();
    for record in records {
        if record.entered {
            let runs = |step: &Step| {
                step.phase == record.phase && (step.nth == 0 || step.nth == record.nth)
            };
            // The next one is taken from the end.
            running =
                (0..steps.len()).rev().filter(|at| steps.get(*at).is_some_and(runs)).collect();
        } else if let Some(place) = running.pop().and_then(|at| found.get_mut(at)) {
            place.get_or_insert(record);
        }
    }
    found
}

fn judge_answer(answer: &Answer, record: &Record, strict: bool) -> Option<String> {
    let status = record.status;
    if !answer.statuses.contains(&status) {
        if !strict && answer.elsewhere.contains(&status) {
            return None;
        }
        return Some(format!("status {status} in place of {:?}", answer.statuses));
    }
    // What must be written goes with the first of the statuses.
    if answer.statuses.first() == Some(&status) { judge_value(&answer.value, record) } else { None }
}

fn judge_value(value: &Value, record: &Record) -> Option<String> {
    let text = || String::from_utf8_lossy(&record.value).escape_debug().to_string();
    let number = |slot: usize| record.numbers.get(slot).copied().unwrap_or_default();
    let (right, got) = match value {
        Value::Any => (true, String::new()),
        Value::Untouched => (record.is_untouched(), format!("{:x?}", record.numbers)),
        Value::Bytes(bytes) => (record.value == *bytes, text()),
        Value::Contains(bytes) => {
            let holds = record.value.windows(bytes.len().max(1)).any(|window| window == bytes);
            (holds, text())
        }
        Value::Empty => (record.length() == 0, format!("{} bytes: {}", record.length(), text())),
        Value::Length(length) => (
            usize::try_from(record.length()).is_ok_and(|got| got == *length),
            record.length().to_string(),
        ),
        Value::Pair(name, value) => {
            let pairs = decode_pairs(&record.value).unwrap_or_default();
            (pairs.contains(&(name.as_bytes(), value.as_bytes())), text())
        }
        Value::Number(slot, wanted) => (low(number(*slot), *wanted), number(*slot).to_string()),
        Value::AtLeast(slot, least) => {
            let number = number(*slot);
            (number >= *least && number != UNWRITTEN, number.to_string())
        }
    };
    (!right).then(|| format!("{value:?} was wanted, got {got}"))
}

/// A number that no call wrote.
const UNWRITTEN: u64 = u64::from_le_bytes([crate::probe::UNTOUCHED; 8]);

/// Equal, where the upper half may not have been written.
fn low(number: u64, wanted: u64) -> bool {
    let half = u64::from(u32::MAX);
    let upper = UNWRITTEN & !half;
    number == wanted || (wanted <= half && number & !half == upper && number & half == wanted)
}

fn judge_check(check: &Check, outcome: &Outcome, strict: bool) -> Option<String> {
    match check {
        Check::Here(_) if !strict => None,
        Check::Here(check) => judge_check(check, outcome, strict),
        Check::Order(which, wanted) => {
            let mut order: Vec<Phase> = entered(outcome.records(*which)).map(|e| e.phase).collect();
            order.dedup();
            (order != *wanted).then(|| format!("callbacks: {}", labels(&order)))
        }
        Check::Given(until, index, wanted) => {
            let records = outcome.records(until.which);
            let at = |record: &&Record| record.phase == until.phase && record.nth == until.nth;
            let given = entered(records).find(at).map(|record| record.numbers);
            let number = given.and_then(|given| given.get(*index).copied());
            (number != Some(*wanted)).then(|| {
                format!("{} was given {number:?} in place of {wanted}", until.phase.label())
            })
        }
        Check::Times(which, phase, wanted) => {
            let times = entered(outcome.records(*which)).filter(|e| e.phase == *phase).count();
            (times != usize::try_from(*wanted).unwrap_or(usize::MAX))
                .then(|| format!("{} came {times} times in place of {wanted}", phase.label()))
        }
        Check::Metric(begin, end) => {
            let found = outcome
                .metrics
                .lines()
                .any(|line| line.contains(begin.as_str()) && line.ends_with(end.as_str()));
            (!found).then(|| format!("no metric `{begin} ...{end}`"))
        }
        Check::Status(_)
        | Check::Body(_)
        | Check::Field(..)
        | Check::NoField(_)
        | Check::Trailer(..)
        | Check::Broken
        | Check::Closed
        | Check::Echoed(_) => match &outcome.reply {
            Some(reply) => judge_reply(check, reply),
            None => Some("there was no reply".to_owned()),
        },
    }
}

fn judge_reply(check: &Check, reply: &Reply) -> Option<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if let (Some(why), false) = (&reply.broken, matches!(check, Check::Broken | Check::Closed)) {
        return Some(format!("the reply broke off: {why}"));
    }
    match check {
        Check::Status(wanted) if reply.status != *wanted => {
            Some(format!("the client got {} in place of {wanted}", reply.status))
        }
        Check::Body(wanted) if reply.body != *wanted => {
            Some(format!("the client got the body {:?} in place of {wanted:?}", text(&reply.body)))
        }
        Check::Field(name, wanted) => differs("field", name, wanted, &reply.fields),
        Check::Trailer(name, wanted) => differs("trailer", name, wanted, &reply.trailers),
        Check::NoField(name) if reply.fields.contains_key(*name) => {
            Some(format!("the client got a field {name}"))
        }
        Check::Broken if reply.broken.is_none() => {
            Some(format!("the client got a whole reply with {}", reply.status))
        }
        Check::Closed if !reply.body.is_empty() => {
            Some(format!("the client got {:?} in place of nothing", text(&reply.body)))
        }
        Check::Echoed(wanted) if reply.body != *wanted => {
            Some(format!("the client got {:?} in place of {wanted:?}", text(&reply.body)))
        }
        Check::Status(_)
        | Check::Body(_)
        | Check::NoField(_)
        | Check::Broken
        | Check::Closed
        | Check::Echoed(_)
        | Check::Order(..)
        | Check::Given(..)
        | Check::Times(..)
        | Check::Metric(..)
        | Check::Here(_) => None,
    }
}

fn differs(what: &str, name: &str, wanted: &str, fields: &http::HeaderMap) -> Option<String> {
    let got: Vec<_> = fields.get_all(name).iter().map(|value| value.as_bytes()).collect();
    let got = String::from_utf8_lossy(&got.join(&b","[..])).into_owned();
    (got != wanted).then(|| format!("the client got the {what} {name}: {got:?}, not {wanted:?}"))
}

fn entered(records: &[Record]) -> impl Iterator<Item = &Record> {
    records.iter().filter(|record| record.entered)
}

fn labels(phases: &[Phase]) -> String {
    phases.iter().map(|phase| phase.label()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
