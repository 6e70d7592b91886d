//! The tree as the rules see it: crates with their dependencies, and files with their text.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// One crate of the workspace.
#[derive(Clone, Debug, Default)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Its folder, relative to the root.
    pub folder: String,
    /// What it needs to be built and run.
    pub dependencies: Vec<String>,
    /// What only its tests need.
    pub dev_dependencies: Vec<String>,
}

/// One file.
#[derive(Clone, Debug, Default)]
pub struct File {
    /// Its path, relative to the root.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl File {
    /// A made-up file.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// True for files that hold tests or serve them only.
    #[must_use]
    pub fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.contains("/tests/")
    }

    /// True for a file with one of these endings.
    #[must_use]
    pub fn ends_with(&self, endings: &[&str]) -> bool {
        endings.iter().any(|ending| self.path.ends_with(ending))
    }
}

/// The repository's root.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The crates of the workspace.
///
/// # Errors
/// Where cargo does not answer as expected.
pub fn crates() -> Result<Vec<Crate>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    #[expect(clippy::disallowed_methods, reason = "only cargo knows the workspace")]
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    parse(&serde_json::from_slice(&output.stdout)?)
}

fn parse(metadata: &Value) -> Result<Vec<Crate>> {
    let root = text(metadata, "workspace_root")?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("packages")?;
    packages.iter().map(|package| parse_crate(root, package)).collect()
}

fn parse_crate(root: &str, package: &Value) -> Result<Crate> {
    let manifest = text(package, "manifest_path")?;
    let folder = manifest.strip_prefix(root).and_then(|path| path.strip_suffix("/Cargo.toml"));
    let mut found = Crate {
        name: text(package, "name")?.to_owned(),
        folder: folder.unwrap_or_default().trim_start_matches('/').to_owned(),
        ..Crate::default()
    };
    for dependency in package.get("dependencies").and_then(Value::as_array).into_iter().flatten() {
        let name = text(dependency, "name")?.to_owned();
        match dependency.get("kind").and_then(Value::as_str) {
            Some("dev") => found.dev_dependencies.push(name),
            _ => found.dependencies.push(name),
        }
    }
    Ok(found)
}

fn text<'a>(value: &'a Value, key: &str) -> Result<&'a str> {
    value.get(key).and_then(Value::as_str).with_context(|| format!("no `{key}` in the metadata"))
}

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 6] =
    ["target", "node_modules", ".git", ".zig-cache", "zig-out", "fuzz/corpus"];

/// All text files of the tree, in order of their paths.
///
/// # Errors
/// Where a folder cannot be read.
pub fn files() -> Result<Vec<File>> {
    let root = root();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("{}", folder.display()))? {
            let path = entry?.path();
            if SKIPPED.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else if let (Ok(text), Ok(short)) =
                (fs::read_to_string(&path), path.strip_prefix(&root))
            {
                found.push(File { path: short.to_string_lossy().into_owned(), text });
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}
