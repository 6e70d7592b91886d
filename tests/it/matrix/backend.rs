//! The backends: what the configuration says of each, and nothing else differs.

use std::path::{Path, PathBuf};

use tests_fixtures::matrix;
use tests_support::{Config, Proxy};

/// A column of the matrix.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Backend {
    Builtin,
    Wasm,
    Process,
    ProcessTcp,
    Native,
}

/// Long enough for a machine that does much else.
const PATIENT: &str = "process: { call_timeout_ms: 10000, start_timeout_ms: 20000 }";
const PATIENT_TCP: &str =
    "process: { call_timeout_ms: 10000, start_timeout_ms: 20000, transport: tcp }";

impl Backend {
    /// The name of the column.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Builtin => "builtin",
            Self::Wasm => "wasm",
            Self::Process => "process",
            Self::ProcessTcp => "process_tcp",
            Self::Native => "native",
        }
    }

    /// The word of the configuration.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Process | Self::ProcessTcp => "process",
            other @ (Self::Builtin | Self::Wasm | Self::Native) => other.name(),
        }
    }

    /// Where the plugin is.
    pub(crate) fn source(self) -> PathBuf {
        match self {
            Self::Builtin => PathBuf::from("matrix"),
            Self::Wasm => matrix::module().to_owned(),
            Self::Process | Self::ProcessTcp => matrix::executable().to_owned(),
            Self::Native => matrix::library().to_owned(),
        }
    }

    /// Adds the plugin under a name.
    pub(crate) fn plugin(self, config: Config, name: &str) -> Config {
        self.plugin_from(config, name, &self.source())
    }

    /// As [`Backend::plugin`], from another place.
    pub(crate) fn plugin_from(self, config: Config, name: &str, source: &Path) -> Config {
        let lines = match self {
            Self::Process => PATIENT,
            Self::ProcessTcp => PATIENT_TCP,
            Self::Builtin | Self::Wasm | Self::Native => "",
        };
        config.plugin_on(self.word(), name, source, &format!("{lines}\npolicy: patient"))
    }

    /// Adds what all plugins of this backend need.
    pub(crate) fn prepare(self, config: Config) -> Config {
        let lines =
            "preset: trusted\nlimits: { cpu_ms_per_call: 500 }\nallow_unenforced: [cpu_per_call]";
        let config = config.policy("patient", lines);
        if self != Self::Native {
            return config;
        }
        let folder = matrix::library().parent().unwrap_or_else(|| Path::new("/")).display();
        config.top(&format!("native: {{ allow: [{{ directory: \"{folder}\" }}] }}"))
    }

    /// Starts a proxy that has the backend.
    pub(crate) async fn start(self, config: &Config) -> Proxy {
        if self == Self::Builtin {
            return Proxy::start_program(tests_support::mortise_with_matrix(), config).await;
        }
        Proxy::start(config).await
    }
}
