//! An example as one of its artifacts, on the backend that is for it.

use std::path::PathBuf;

use tempfile::TempDir;
use tests_support::Config;

use crate::policy::packages;

/// An artifact, and what the configuration says beside its source.
#[derive(Debug)]
pub(crate) struct Form {
    backend: &'static str,
    source: PathBuf,
    lines: &'static str,
    package: Option<TempDir>,
}

/// A machine that is busy with other tests answers late.
const PATIENT: &str = "process: { call_timeout_ms: 10000, start_timeout_ms: 60000 }";

impl Form {
    /// As a Proxy-Wasm module.
    pub(crate) fn wasm(source: impl Into<PathBuf>) -> Self {
        Self { backend: "wasm", source: source.into(), lines: "", package: None }
    }

    /// As a program.
    pub(crate) fn process(source: PathBuf) -> Self {
        Self { backend: "process", source, lines: PATIENT, package: None }
    }

    /// As a program, started otherwise.
    pub(crate) fn process_with(source: PathBuf, lines: &'static str) -> Self {
        Self { backend: "process", source, lines, package: None }
    }

    /// As a native library.
    pub(crate) fn native(source: PathBuf) -> Self {
        Self { backend: "native", source, lines: "", package: None }
    }

    /// In a package with the manifest of an example: trusted, so that what the manifest asks for
    /// is all that it may do.
    pub(crate) fn packed(mut self, example: &str) -> Self {
        self.package = Some(packages::of_example(self.backend, example, &self.source));
        self
    }

    /// Adds the plugin.
    pub(crate) fn plugin(&self, config: Config, name: &str, lines: &str) -> Config {
        let (source, policy) = match &self.package {
            Some(package) => (package.path(), "policy: trusted"),
            None => (self.source.as_path(), ""),
        };
        let lines = format!("{}\n{policy}\n{lines}", self.lines);
        let folder = self.package.as_ref().map(TempDir::path).or_else(|| self.source.parent());
        let config = match folder {
            Some(folder) if self.backend == "native" => {
                config.top(&format!("native: {{ allow: [{{ directory: {} }}] }}", folder.display()))
            }
            _ => config,
        };
        config.plugin_on(self.backend, name, source, &lines)
    }
}

/// Makes a test of each function for each backend, with the example whose name stands before it.
macro_rules! on_every_backend {
    ($($example:ident: $test:ident,)+) => {
        mod as_module {
            $(
                #[tokio::test]
                async fn $test() {
                    let form = crate::examples::form::Form::wasm(tests_fixtures::$example());
                    super::$test(&form.packed(stringify!($example))).await;
                }
            )+
        }

        mod as_process {
            $(
                #[tokio::test]
                async fn $test() {
                    match tests_fixtures::program(stringify!($example)) {
                        Some(file) => {
                            let form = crate::examples::form::Form::process(file);
                            super::$test(&form.packed(stringify!($example))).await;
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
                            let form = crate::examples::form::Form::native(file);
                            super::$test(&form.packed(stringify!($example))).await;
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
