//! Scripts: what the probe is to do in which callback, and what must come back.
//!
//! A [`Step`] belongs to a callback and carries its own expectation. [`Script::encode`] makes
//! the bytes that the probe reads, [`decode`] reads the records that it keeps.

use crate::{
    Phase,
    call::{Arg, Call, Function},
    probe::{
        ARGUMENT_BYTES, ENTERED, Functions, OUT_BYTES, RECORD_BYTES, SCRIPT_BYTES_MAX,
        SCRIPT_HEAD_BYTES, SLOTS_KEPT, STEP_BYTES, UNTOUCHED, VALUE_BYTES_MAX, kinds,
    },
};

/// One call in one callback.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) phase: Phase,
    /// The how-manieth time of the callback; 0 for each.
    pub(crate) nth: u32,
    pub(crate) call: Call,
    /// What must come back; of a step that only prepares something, nothing in particular.
    pub(crate) answer: Option<Answer>,
}

/// A step of a callback, each time it comes.
pub(crate) fn on(phase: Phase, call: Call) -> Step {
    Step { phase, nth: 0, call, answer: None }
}

/// A step of the first time of a callback.
pub(crate) fn first(phase: Phase, call: Call) -> Step {
    Step { phase, nth: 1, call, answer: None }
}

impl Step {
    /// For the how-manieth time it is.
    pub(crate) fn nth(mut self, nth: u32) -> Self {
        self.nth = nth;
        self
    }

    /// What must come back.
    pub(crate) fn gives(mut self, answer: Answer) -> Self {
        self.answer = Some(answer);
        self
    }
}

/// What must come back from a call.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// The statuses that are right. What must be written goes with the first.
    pub(crate) statuses: Vec<u32>,
    /// Those that another host may answer with, too, because it differs with a reason.
    pub(crate) elsewhere: Vec<u32>,
    /// What the call must have written.
    pub(crate) value: Value,
}

/// What a call must have written.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Whatever it is.
    Any,
    /// Nothing: where results go is as it was.
    Untouched,
    /// These bytes.
    Bytes(Vec<u8>),
    /// Bytes that hold these.
    Contains(Vec<u8>),
    /// No bytes, at no address.
    Empty,
    /// So many bytes.
    Length(usize),
    /// A map with this field.
    Pair(&'static str, &'static str),
    /// One of the numbers is this.
    Number(usize, u64),
    /// One of the numbers is at least this.
    AtLeast(usize, u64),
}

impl Answer {
    /// This status, with nothing written unless it is 0.
    pub(crate) fn status(status: u32) -> Self {
        let value = if status == 0 { Value::Any } else { Value::Untouched };
        Self { statuses: vec![status], elsewhere: Vec::new(), value }
    }

    /// Status 0 and this.
    pub(crate) fn value(value: Value) -> Self {
        Self { value, ..Self::status(0) }
    }

    /// Another host may answer with this, too.
    pub(crate) fn or_elsewhere(mut self, status: u32) -> Self {
        self.elsewhere.push(status);
        self
    }

    /// This status is right, too: the text leaves it open.
    pub(crate) fn or(mut self, status: u32) -> Self {
        self.statuses.push(status);
        self
    }
}

/// A tag and steps.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) tag: u32,
    pub(crate) steps: Vec<Step>,
}

/// Why a script cannot be written down.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScriptError {
    /// The version of the interface lacks a function.
    #[error("there is no {0} in this version of the interface")]
    NoFunction(&'static str),
    /// It is too long for the probe.
    #[error("a script of {0} bytes is too long for the probe")]
    TooLong(usize),
}

impl Script {
    /// The bytes that the probe reads.
    pub(crate) fn encode(&self, functions: &Functions) -> Result<Vec<u8>, ScriptError> {
        let length: usize = self.steps.iter().map(|step| step_bytes(&step.call)).sum();
        let data_at = size(SCRIPT_HEAD_BYTES) + length;
        let mut bytes = Vec::new();
        let mut data = Vec::new();
        push(&mut bytes, self.tag);
        push(&mut bytes, word(length));
        for step in &self.steps {
            push(&mut bytes, step.phase.number().unsigned_abs());
            push(&mut bytes, step.nth);
            push(&mut bytes, number(step.call.function, functions)?);
            push(&mut bytes, u32::from(step.call.keeps_value));
            push(&mut bytes, word(step.call.args.len()));
            for arg in &step.call.args {
                let (kind, value) = encode_argument(arg, data_at + data.len());
                push(&mut bytes, kind);
                bytes.extend_from_slice(&value.to_le_bytes());
                data.extend_from_slice(arg.data());
            }
        }
        bytes.extend_from_slice(&data);
        if bytes.len() > SCRIPT_BYTES_MAX {
            return Err(ScriptError::TooLong(bytes.len()));
        }
        Ok(bytes)
    }
}

/// Bytes as the probe's request fields carry them.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn step_bytes(call: &Call) -> usize {
    size(STEP_BYTES) + call.args.len() * size(ARGUMENT_BYTES)
}

fn number(function: Function, functions: &Functions) -> Result<u32, ScriptError> {
    match function {
        Function::Host(name) => functions.number(name).ok_or(ScriptError::NoFunction(name)),
        Function::Special(special) => Ok(functions.special(special)),
    }
}

fn encode_argument(arg: &Arg, data_at: usize) -> (u32, u64) {
    match arg {
        Arg::Number(value) => (kinds::NUMBER, *value),
        // The length stands in the upper half, where only `Poke` looks.
        Arg::Data(text) => {
            (kinds::DATA, u64::from(word(data_at)) | (u64::from(word(text.len())) << 32))
        }
        Arg::Out(slot) => (kinds::OUT, u64::from(*slot)),
        Arg::Context => (kinds::CONTEXT, 0),
        Arg::Value(slot) => (kinds::VALUE, u64::from(*slot)),
        Arg::Parent => (kinds::PARENT, 0),
    }
}

fn push(bytes: &mut Vec<u8>, word: u32) {
    bytes.extend_from_slice(&word.to_le_bytes());
}

fn word(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn size(bytes: i32) -> usize {
    usize::try_from(bytes).unwrap_or_default()
}

/// One thing that the probe noted.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) phase: Phase,
    /// The how-manieth time of the callback it was.
    pub(crate) nth: u32,
    /// True for the callback itself; then `numbers` is what it was given behind its context,
    /// which is in `status`. Else a call, with its status and what it wrote.
    pub(crate) entered: bool,
    pub(crate) status: u32,
    pub(crate) numbers: [u64; SLOTS_KEPT],
    pub(crate) value: Vec<u8>,
}

impl Record {
    /// The length that the call wrote, or the beginning of what was there before.
    pub(crate) fn length(&self) -> u64 {
        self.numbers.get(1).copied().unwrap_or_default() & u64::from(u32::MAX)
    }

    /// True where the call wrote none of the numbers that are wiped before it.
    pub(crate) fn is_untouched(&self) -> bool {
        let untouched = u64::from_le_bytes([UNTOUCHED; 8]);
        self.numbers.iter().take(4).all(|number| *number == untouched)
    }
}

/// Reads records; `None` for bytes that the probe did not write.
pub(crate) fn decode(mut bytes: &[u8]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let (head, rest) = bytes.split_at_checked(RECORD_BYTES)?;
        let field = |at: usize| {
            let field = head.get(at..at + 4)?;
            Some(u32::from_le_bytes(field.try_into().ok()?))
        };
        let length = field(16 + OUT_BYTES)?;
        if length > VALUE_BYTES_MAX.unsigned_abs() {
            return None;
        }
        let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        let mut numbers = [0; SLOTS_KEPT];
        for (at, number) in numbers.iter_mut().enumerate() {
            let low = u64::from(field(16 + at * 8)?);
            *number = low | (u64::from(field(20 + at * 8)?) << 32);
        }
        records.push(Record {
            phase: Phase::of_number(field(0)?)?,
            nth: field(4)?,
            entered: field(8)? == ENTERED,
            status: field(12)?,
            numbers,
            value: value.to_vec(),
        });
        bytes = rest;
    }
    Some(records)
}

#[cfg(test)]
mod tests;
