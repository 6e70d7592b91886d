//! What every plugin of a configuration may do, found out without running any.

use std::path::{Path, PathBuf};

use host_config::Places;
use host_pipeline::{CodecSource, CodecUse, ListenerPlan};
use host_types::{ListenerName, PluginName};
use plugins_catalog::{PluginPlan, Survey};

use crate::cli::Failure;

/// The plugins of a configuration.
#[derive(Debug)]
pub(super) struct Surveyed {
    pub(super) file: PathBuf,
    pub(super) places: Places,
    /// In the order of the configuration.
    pub(super) plugins: Vec<Subject>,
}

/// One plugin.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) plan: PluginPlan,
    pub(super) survey: Survey,
    /// The listeners whose protocol it reads, which is its permission to do so.
    pub(super) reads: Vec<ListenerName>,
}

/// Reads a configuration and the manifests of its packages.
///
/// # Errors
/// The configuration is refused.
pub(super) fn survey(file: &Path) -> Result<Surveyed, Failure> {
    let loaded =
        host_config::load(file).map_err(|errors| Failure::Findings(miette::Report::new(errors)))?;
    let listeners = loaded.plan.listeners;
    let plugins = loaded.plan.plugins.into_iter().map(|plan| {
        let survey = Survey::of(&plan);
        let reads = reads(&listeners, &plan.name);
        Subject { plan, survey, reads }
    });
    let plugins = plugins.collect();
    Ok(Surveyed { file: file.to_path_buf(), places: loaded.places, plugins })
}

fn reads(listeners: &[ListenerPlan], plugin: &PluginName) -> Vec<ListenerName> {
    let is_codec = |codec: &CodecUse| match &codec.source {
        CodecSource::Plugin(of) => of.plugin == *plugin,
        CodecSource::Builtin(_) => false,
    };
    let read = listeners.iter().filter(|listener| listener.protocol.codecs().iter().any(is_codec));
    read.map(|listener| listener.name.clone()).collect()
}
