//! Instances: how chains and services have their plugins started.

use std::sync::Arc;

use host_extension::{ExtensionPoint, FilterUse, InstanceSpec, OnError};
use serde_json::Value;

use super::{Scope, ServicePlan};
use crate::{
    cursor::Cursor,
    model::{FilterConfig, OnErrorWord, RunOnWord, ServiceConfig},
};

/// The filters of a chain.
pub(super) fn filters(
    models: &[FilterConfig],
    point: ExtensionPoint,
    at: &Cursor<'_>,
    scope: &Scope<'_>,
) -> Vec<FilterUse> {
    let uses = at.zip(models).filter_map(|(at, model)| {
        let plugin = scope.plugin(&model.plugin, &at.key("plugin"))?;
        if model.on_error == OnErrorWord::Open {
            scope.refuse_open(&model.plugin, &at.key("on_error"));
        }
        let on_error = match model.on_error {
            OnErrorWord::Closed => OnError::Closed,
            OnErrorWord::Open => OnError::Open,
            OnErrorWord::Reload => OnError::Reload,
        };
        let spec = spec(point, model.root_id.as_deref(), model.config.as_ref());
        scope.note_use(&plugin, &spec, &at.key("plugin"));
        Some(FilterUse { plugin, spec, on_error })
    });
    uses.collect()
}

/// The services. No stream waits for one, so one that did not load is tried again.
pub(super) fn services(
    models: &[ServiceConfig],
    at: &Cursor<'_>,
    scope: &Scope<'_>,
) -> Vec<ServicePlan> {
    let plans = at.zip(models).filter_map(|(at, model)| {
        let plugin = scope.plugin(&model.plugin, &at.key("plugin"))?;
        let spec = spec(ExtensionPoint::Service, model.root_id.as_deref(), model.config.as_ref());
        scope.note_use(&plugin, &spec, &at.key("plugin"));
        Some(ServicePlan {
            service: FilterUse { plugin, spec, on_error: OnError::Reload },
            every_worker: model.run_on == RunOnWord::EveryWorker,
        })
    });
    plans.collect()
}

/// Configuration that is opaque to the host: text as it stands, anything else as JSON.
pub(super) fn opaque(value: Option<&Value>) -> Arc<[u8]> {
    match value {
        None => Arc::default(),
        Some(Value::String(text)) => text.as_bytes().into(),
        Some(value) => value.to_string().into_bytes().into(),
    }
}

/// How an instance is started.
pub(super) fn spec(
    point: ExtensionPoint,
    root_id: Option<&str>,
    config: Option<&Value>,
) -> InstanceSpec {
    InstanceSpec { point, root_id: root_id.unwrap_or_default().into(), config: opaque(config) }
}
