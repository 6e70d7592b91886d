//! `mortise policy`: what plugins may do, why, and what they would need.
//!
//! Decisions are made in `plugins-policy`; here they are put into words. Start reading at
//! [`policy`].

mod explain;
mod record;
pub(crate) mod show;
mod survey;
mod warnings;
mod words;

use std::{path::PathBuf, sync::Arc, time::Duration};

use miette::miette;
use plugins_catalog::Records;
use plugins_native::Builtin;
use plugins_policy::catalogue;
use serde_json::Value;
use survey::{Subject, Surveyed, survey};
pub(crate) use warnings::told;

use crate::{
    cli::{CheckReport, Failure, RunOptions, policy::PolicyCommand},
    run,
};

/// Does what a command says, for a program with these plugins compiled in.
///
/// # Errors
/// The configuration is refused, there is no such plugin, or the proxy that is to be watched
/// cannot run.
pub fn policy(command: PolicyCommand, builtins: &[Builtin]) -> Result<CheckReport, Failure> {
    match command {
        PolicyCommand::Show { config, .. } => Ok(show::show(&survey(&config.unwrap_or_default())?)),
        PolicyCommand::Explain { plugin, permission, config, .. } => {
            let surveyed = survey(&config.unwrap_or_default())?;
            let subject = find(&surveyed, &plugin)?;
            Ok(explain::explain(&surveyed, subject, &permission))
        }
        PolicyCommand::Record { config, seconds } => {
            record_run(config.unwrap_or_default(), seconds.map(Duration::from_secs), builtins)
        }
        PolicyCommand::Catalogue => {
            Ok(CheckReport { is_clean: true, text: catalogue(), json: Value::Null })
        }
    }
}

fn find<'s>(surveyed: &'s Surveyed, plugin: &str) -> Result<&'s Subject, Failure> {
    let known = |subject: &&Subject| subject.plan.name.as_str() == plugin;
    surveyed.plugins.iter().find(known).ok_or_else(|| {
        let names: Vec<_> =
            surveyed.plugins.iter().map(|subject| format!("`{}`", subject.plan.name)).collect();
        let file = surveyed.file.display();
        Failure::Usage(if names.is_empty() {
            miette!("{file} has no plugins")
        } else {
            miette!("{file} has no plugin `{plugin}`; it has {}", names.join(", "))
        })
    })
}

fn record_run(
    config: PathBuf,
    stop_after: Option<Duration>,
    builtins: &[Builtin],
) -> Result<CheckReport, Failure> {
    let surveyed = survey(&config)?;
    let records = Arc::new(Records::default());
    let watch = run::Watch { records: Arc::clone(&records), stop_after };
    run::watched(RunOptions { config }, builtins, Some(watch))?;
    let mut report = record::policies(&surveyed, &records.grants());
    record::tell_left_out(&mut report, &records.left_out());
    Ok(report)
}

#[cfg(test)]
mod tests;
