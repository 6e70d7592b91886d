//! Child processes of plugins.

use std::sync::Arc;

use host_types::{
    Account, Bootstrap, ProcessSettings, RestartSettings, SandboxSettings, Transport,
};

use super::{Scope, environment, milliseconds};
use crate::{
    cursor::Cursor,
    model::{
        GoPluginConfig, ProcessConfig, RestartConfig, SandboxConfig, SandboxSettingsConfig,
        SandboxWord, TransportWord,
    },
};

pub(super) fn process(
    model: &ProcessConfig,
    at: &Cursor<'_>,
    scope: &Scope<'_>,
) -> Option<ProcessSettings> {
    let environment = environment::environment(&model.environment, &model.host_environment, at);
    let arguments = arguments(&model.arguments, &at.key("arguments"));
    let bootstrap = match &model.go_plugin {
        None => Some(Bootstrap::Mortise),
        Some(go_plugin) => bootstrap(go_plugin, &at.key("go_plugin")),
    };
    let restart = restart(model.restart, &at.key("restart"));
    Some(ProcessSettings {
        arguments: arguments?,
        environment: environment?,
        bootstrap: bootstrap?,
        transport: match model.transport {
            TransportWord::Unix => Transport::Unix,
            TransportWord::Tcp => Transport::Tcp,
        },
        start_timeout: milliseconds(model.start_timeout_ms),
        call_timeout: milliseconds(model.call_timeout_ms),
        unresponsive_timeout: milliseconds(model.unresponsive_timeout_ms),
        drain_timeout: milliseconds(model.drain_timeout_ms),
        restart: restart?,
        sandbox: sandbox(&model.sandbox, scope),
    })
}

fn arguments(models: &[String], at: &Cursor<'_>) -> Option<Vec<Arc<str>>> {
    let mut is_right = true;
    for (at, argument) in at.zip(models) {
        if argument.contains('\0') {
            at.add(at.problem("an argument cannot hold a NUL", "in here"));
            is_right = false;
        }
    }
    is_right.then(|| models.iter().map(|argument| Arc::from(argument.as_str())).collect())
}

fn bootstrap(model: &GoPluginConfig, at: &Cursor<'_>) -> Option<Bootstrap> {
    environment::variable(&model.cookie_key, &model.cookie_value, &at.key("cookie_key"))?;
    Some(Bootstrap::GoPlugin {
        cookie_key: Arc::from(model.cookie_key.as_str()),
        cookie_value: Arc::from(model.cookie_value.as_str()),
        mutual_tls: model.mutual_tls,
    })
}

fn restart(model: RestartConfig, at: &Cursor<'_>) -> Option<RestartSettings> {
    if model.backoff_ms > model.backoff_max_ms {
        let message = "`backoff_ms` is longer than `backoff_max_ms`";
        return at.refuse_with(message, "the first wait", "the first wait is the shortest");
    }
    Some(RestartSettings {
        crashes_max: model.crashes_max,
        window: milliseconds(model.window_ms),
        backoff: milliseconds(model.backoff_ms),
        backoff_max: milliseconds(model.backoff_max_ms),
    })
}

fn sandbox(model: &SandboxConfig, scope: &Scope<'_>) -> SandboxSettings {
    let defaults = SandboxSettingsConfig::default();
    let (enabled, settings) = match model {
        SandboxConfig::Word(word) => (*word == SandboxWord::Default, &defaults),
        SandboxConfig::Settings(settings) => (true, settings),
    };
    SandboxSettings {
        enabled,
        user: settings.user.as_ref().map(Account::from),
        group: settings.group.as_ref().map(Account::from),
        read: settings.read.iter().map(|path| scope.path(path)).collect(),
        memory_bytes_max: u64::from(settings.memory_mib).saturating_mul(1024 * 1024),
        processes_max: settings.processes_max.into(),
        files_max: settings.files_max.into(),
        // What a policy says of them is added where the plugin is loaded.
        may_lack_files: false,
        may_lack_network: false,
    }
}
