//! What every plugin of a configuration may do, found out without running any.

use std::path::{Path, PathBuf};

use host_config::Places;
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
}

/// Reads a configuration and the manifests of its packages.
///
/// # Errors
/// The configuration is refused.
pub(super) fn survey(file: &Path) -> Result<Surveyed, Failure> {
    let loaded =
        host_config::load(file).map_err(|errors| Failure::Findings(miette::Report::new(errors)))?;
    let plugins = loaded.plan.plugins.into_iter().map(|plan| {
        let survey = Survey::of(&plan);
        Subject { plan, survey }
    });
    let plugins = plugins.collect();
    Ok(Surveyed { file: file.to_path_buf(), places: loaded.places, plugins })
}
