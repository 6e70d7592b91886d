//! An example as one of its artifacts, on the backend that is for it.

use std::path::PathBuf;

use tests_support::Config;

/// An artifact, and what the configuration says beside its source.
#[derive(Debug)]
pub(crate) struct Form {
    backend: &'static str,
    source: PathBuf,
    lines: &'static str,
}

/// A machine that is busy with other tests answers late.
const PATIENT: &str = "process: { call_timeout_ms: 10000, start_timeout_ms: 60000 }";

impl Form {
    /// As a Proxy-Wasm module.
    pub(crate) fn wasm(source: impl Into<PathBuf>) -> Self {
        Self { backend: "wasm", source: source.into(), lines: "" }
    }

    /// As a program.
    pub(crate) fn process(source: PathBuf) -> Self {
        Self { backend: "process", source, lines: PATIENT }
    }

    /// As a program, started otherwise.
    pub(crate) fn process_with(source: PathBuf, lines: &'static str) -> Self {
        Self { backend: "process", source, lines }
    }

    /// As a native library.
    pub(crate) fn native(source: PathBuf) -> Self {
        Self { backend: "native", source, lines: "" }
    }

    /// Adds the plugin.
    pub(crate) fn plugin(&self, config: Config, name: &str, lines: &str) -> Config {
        let config = match self.source.parent() {
            Some(folder) if self.backend == "native" => {
                config.top(&format!("native: {{ allow: [{{ directory: {} }}] }}", folder.display()))
            }
            _ => config,
        };
        config.plugin_on(self.backend, name, &self.source, &format!("{}\n{lines}", self.lines))
    }
}

/// Makes a test of each function for each backend, with the example whose name stands before it.
macro_rules! on_every_backend {
    ($($example:ident: $test:ident,)+) => {
        mod as_module {
            $(
                #[tokio::test]
                async fn $test() {
                    super::$test(&crate::examples::form::Form::wasm(tests_fixtures::$example())).await;
                }
            )+
        }

        mod as_process {
            $(
                #[tokio::test]
                async fn $test() {
                    match tests_fixtures::program(stringify!($example)) {
                        Some(file) => {
                            super::$test(&crate::examples::form::Form::process(file)).await;
                        }
                        None => crate::examples::form::skipped(stringify!($example)),
                    }
                }
            )+
        }

        mod as_library {
            $(
                #[tokio::test]
                async fn $test() {
                    match tests_fixtures::library(stringify!($example)) {
                        Some(file) => {
                            super::$test(&crate::examples::form::Form::native(file)).await;
                        }
                        None => crate::examples::form::skipped(stringify!($example)),
                    }
                }
            )+
        }
    };
}

pub(crate) use on_every_backend;

/// Says loudly that a test was left out.
pub(crate) fn skipped(example: &str) {
    eprintln!("SKIPPED: {example} was not built; run `cargo xtask plugins`");
}
