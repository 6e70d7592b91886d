//! Which processor does what: the candidates have one to themselves, where there is more
//! than one.

use std::fmt;

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The processors of the candidates and of everything else.
#[derive(Debug)]
pub(crate) struct Placement {
    split: Option<Split>,
}

#[derive(Debug)]
struct Split {
    candidates: CpuSet,
    others: CpuSet,
    number: usize,
}

impl Placement {
    /// Gives the last processor to the candidates, and binds this thread, and the threads that
    /// it starts from now on, to the others.
    pub(crate) fn of_this_machine() -> Result<Self> {
        let allowed = sched_getaffinity(None).context("cannot ask for the processors")?;
        let numbers: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|n| allowed.is_set(*n)).collect();
        let [_, .., number] = *numbers else { return Ok(Self { split: None }) };
        let (mut candidates, mut others) = (CpuSet::new(), allowed);
        candidates.set(number);
        others.unset(number);
        sched_setaffinity(None, &others).context("cannot choose processors")?;
        Ok(Self { split: Some(Split { candidates, others, number }) })
    }

    /// Starts a candidate. A process inherits the processors of the thread that starts it.
    pub(crate) fn with_candidates<T>(&self, start: impl FnOnce() -> T) -> Result<T> {
        let Some(split) = &self.split else { return Ok(start()) };
        sched_setaffinity(None, &split.candidates).context("cannot choose processors")?;
        let started = start();
        sched_setaffinity(None, &split.others).context("cannot choose processors")?;
        Ok(started)
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.split {
            Some(split) => {
                let number = split.number;
                write!(f, "candidates run on processor {number}, load and upstream beside it")
            }
            None => f.write_str("one processor for candidates, load and upstream"),
        }
    }
}
