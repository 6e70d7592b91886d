//! `mortise policy`: what plugins may do, why, and what they would need.
//!
//! Decisions are made in `plugins-policy`; here they are put into words. Start reading at
//! [`policy`].

mod explain;
mod record;
mod show;
mod survey;
mod useless;
mod warnings;
mod words;

use std::{path::PathBuf, sync::Arc, time::Duration};

use host_types::PluginName;
use miette::miette;
use plugins_catalog::{PluginState, PluginStatus, Records};
use plugins_native::Builtin;
use plugins_policy::catalogue;
use serde_json::Value;
use survey::{Subject, Surveyed, survey};
pub(crate) use useless::{Useless, useless};
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
    let status = run::watched(RunOptions { config }, builtins, Some(watch))?;
    let seen = record::Seen { grants: &records.grants(), not_loaded: &not_loaded(&status) };
    let mut report = record::policies(&surveyed, &seen);
    record::tell_left_out(&mut report, &records.left_out());
    Ok(report)
}

/// The plugins that never served, with the reason. One that served until its policy changed was
/// seen.
fn not_loaded(status: &[PluginStatus]) -> Vec<(PluginName, String)> {
    let has_served =
        |one: &PluginStatus| one.failures.iter().any(|failure| failure.let_go.is_some());
    let failed = status.iter().filter(|one| one.state == PluginState::Failed && !has_served(one));
    let reason = |one: &PluginStatus| one.last_error().map(ToString::to_string).unwrap_or_default();
    failed.map(|one| (one.name.clone(), reason(one))).collect()
}

#[cfg(test)]
mod tests;
