//! The configuration file: what may stand in it, what is wrong with it, and the plan made of it.
//!
//! YAML, JSON and TOML are read through one model. A file goes through four rooms, and each
//! tells all that it finds, so that a person sees every error at once:
//!
//! ```text
//! text -> tree (values with places) -> check (against the schema) -> model -> plan
//! ```
//!
//! What plugins may do stands in `policies`: presets, grants and denials are read here, with the
//! place of each, and decided by in `plugins-policy`. What is written as a limit is stated: where
//! it cannot be enforced the plugin is not loaded.
//!
//! Unknown keys are refused, every number has a unit and a range, every default is the safe
//! one. Nothing of a file with an error is ever used. This crate opens no socket and starts
//! nothing; of the file system it reads the configuration, and it looks whether the files
//! exist that it names. Start reading at [`load`].

mod check;
mod cursor;
mod errors;
mod model;
mod places;
mod plan;
mod problem;
mod suggest;
mod tree;

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
    sync::LazyLock,
};

pub use errors::{ConfigError, ConfigErrors, Place};
pub use model::schema;
pub use places::Places;
pub use plan::{
    AccessLogPlan, AccessLogTarget, AdminPlan, LogFormat, LogPlan, Plan, ServicePlan, WasmCache,
    WasmPlan,
};

use crate::{check::Checker, problem::Problems};

/// A file that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What it says.
    pub plan: Plan,
    /// The file again with every default filled in, but for limits that are stated by being
    /// written: read again, it means the same.
    pub effective: serde_json::Value,
    /// Where its policies, plugins and uses of plugins stand.
    pub places: Places,
    /// Files that it names and that are not there. `mortise check` tells them; a proxy runs on
    /// and leaves it to `on_error`.
    pub missing: Option<ConfigErrors>,
}

/// How a file is written.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Format {
    /// YAML 1.2
    Yaml,
    /// JSON
    Json,
    /// TOML 1
    Toml,
}

/// Largest file.
pub const FILE_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Format {
    /// The format that the ending of a file's name tells: `yaml`, `yml`, `json`, `toml`.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "yaml" | "yml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }
}

/// Reads a file. Paths in it are relative to its directory.
///
/// # Errors
/// The file cannot be read, or it says what cannot be done; all errors at once.
pub fn load(path: &Path) -> Result<Loaded, ConfigErrors> {
    let name = path.display().to_string();
    let refused = |message: String| ConfigErrors::of_file(&name, message);
    let Some(format) = Format::of(path) else {
        let message = "the name of the file must end in .yaml, .yml, .json or .toml";
        return Err(refused(message.to_owned()));
    };
    let bytes = read(path).map_err(|error| refused(format!("cannot read the file: {error}")))?;
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            return Err(refused(format!("the file is not UTF-8 text from byte {good} on")));
        }
    };
    let base = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    parse(&name, &text, format, &base)
}

/// Reads a text. `name` stands in errors; paths in the text are relative to `base`.
///
/// # Errors
/// The text says what cannot be done; all errors at once.
pub fn parse(name: &str, text: &str, format: Format, base: &Path) -> Result<Loaded, ConfigErrors> {
    if text.len() > FILE_BYTES_MAX {
        let message = format!("the file is larger than {FILE_BYTES_MAX} bytes");
        return Err(ConfigErrors::of_file(name, message));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let problems = Problems::default();
    let missing = Problems::default();
    match read_and_plan(text, format, base, &problems, &missing) {
        Some(loaded) if problems.is_empty() && missing.is_empty() => Ok(loaded),
        Some(loaded) if problems.is_empty() => {
            Ok(Loaded { missing: Some(ConfigErrors::new(name, text, missing)), ..loaded })
        }
        Some(_) | None => {
            problems.append(missing);
            Err(ConfigErrors::new(name, text, problems))
        }
    }
}

/// Made once: a proxy reads its configuration again and again.
static SCHEMA: LazyLock<serde_json::Value> = LazyLock::new(schema);

/// `None` where something was told to `problems`.
fn read_and_plan(
    text: &str,
    format: Format,
    base: &Path,
    problems: &Problems,
    missing: &Problems,
) -> Option<Loaded> {
    let mut root = tree::read(text, format, problems)?;
    let names = plan::Names::of(&root);
    if !(Checker { schema: &SCHEMA, problems }).check_root(&mut root) {
        return None;
    }
    // What was refused is out of the tree by now; the rest is checked on for more errors.
    let model = match serde_json::from_value::<model::Config>(root.to_value()) {
        Ok(model) => model,
        Err(error) => {
            if problems.is_empty() {
                problems.add(problem::Problem::of_file(format!("cannot use the file: {error}")));
            }
            return None;
        }
    };
    let scope = plan::Scope::new(base, &names, problems, missing);
    let (plan, effective) = plan::make(model, &root, &scope)?;
    Some(Loaded { plan, effective, places: scope.places(text), missing: None })
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
