//! Policies: the limits of plugins.

use std::collections::HashMap;

use host_types::PluginLimits;

use super::{Seen, milliseconds, size};
use crate::{
    cursor::Cursor,
    model::{PluginLimitsConfig, PolicyConfig},
};

/// The limits of each policy by its name.
pub(super) fn policies(models: &[PolicyConfig], at: &Cursor<'_>) -> HashMap<String, PluginLimits> {
    let mut policies = HashMap::new();
    let mut seen = Seen::default();
    for (at, model) in at.zip(models) {
        seen.check(&model.name, "policy", &at.key("name"));
        if model.grants.is_some() {
            let at = at.name("grants");
            at.add(
                at.problem("grants are not offered by this version", "cannot be kept to")
                    .help("remove `grants`: plugins may use every host call that there is"),
            );
        }
        policies.insert(model.name.clone(), limits(&model.limits));
    }
    policies
}

fn limits(model: &PluginLimitsConfig) -> PluginLimits {
    PluginLimits {
        memory_bytes_max: size(model.memory_mib).saturating_mul(1024 * 1024),
        table_elements_max: size(model.table_elements_max),
        call_budget: milliseconds(model.cpu_ms_per_call),
        start_budget: milliseconds(model.cpu_ms_start),
        contexts_max: size(model.contexts_max),
        log_lines_per_second_max: model.log_lines_per_second_max,
        ..PluginLimits::default()
    }
}
