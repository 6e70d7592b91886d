//! What the documents promise: the map names every crate, commands exist, every example tells
//! of itself.

use crate::tree::{Crate, File};

/// How long the map may be.
const MAP_LINES_MAX: usize = 250;

/// The map names every crate, and stays a map.
#[must_use]
pub fn map(crates: &[Crate], architecture: &str) -> Vec<String> {
    let unnamed = crates.iter().filter(|each| {
        !architecture.contains(&format!("`{}`", each.folder))
            && !architecture.contains(&format!("`{}`", each.name))
    });
    let mut wrong: Vec<String> =
        unnamed.map(|each| format!("ARCHITECTURE.md does not name `{}`", each.folder)).collect();
    let lines = architecture.lines().count();
    if lines > MAP_LINES_MAX {
        wrong.push(format!("ARCHITECTURE.md has {lines} lines; at most {MAP_LINES_MAX}"));
    }
    wrong
}

/// Every `cargo xtask` command in a document is one that `main` takes.
#[must_use]
pub fn commands(files: &[File], main: &str) -> Vec<String> {
    let known = tasks(main);
    let mut wrong = Vec::new();
    let documents = files.iter().filter(|file| file.ends_with(&[".md", ".yaml", ".toml", "/run"]));
    for file in documents {
        for (_, rest) in file
            .text
            .match_indices("cargo xtask ")
            .map(|(at, found)| (at, file.text.get(at + found.len()..).unwrap_or_default()))
        {
            let word: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
            if !word.is_empty() && !known.contains(&word) {
                wrong.push(format!("{}: there is no `cargo xtask {word}`", file.path));
            }
        }
    }
    wrong
}

/// The names of the variants of `enum Task`, as they are typed.
fn tasks(main: &str) -> Vec<String> {
    let body = main.split_once("enum Task {").map_or("", |(_, rest)| rest);
    let body = body.split_once("\n}").map_or(body, |(body, _)| body);
    let variants = body.lines().filter_map(|line| {
        let name = line.strip_prefix("    ")?;
        let name = name.strip_suffix(" {").or_else(|| name.strip_suffix(','))?;
        name.starts_with(char::is_uppercase).then(|| name.to_lowercase())
    });
    variants.collect()
}

/// Every example has a README that says how to build and to run it.
#[must_use]
pub fn examples(files: &[File]) -> Vec<String> {
    let mut folders: Vec<&str> = files
        .iter()
        .filter_map(|file| file.path.strip_prefix("plugin-examples/")?.split_once('/'))
        .map(|(folder, _)| folder)
        .collect();
    folders.dedup();
    let mut wrong = Vec::new();
    for folder in folders {
        let path = format!("plugin-examples/{folder}/README.md");
        let text = files.iter().find(|file| file.path == path).map_or("", |file| &file.text);
        for part in ["## Build\n", "## Run\n"] {
            if !text.contains(part) {
                wrong.push(format!("{path} has no `{}`", part.trim()));
            }
        }
    }
    wrong
}

/// The blocks of a document that are configurations: in YAML, with listeners.
#[must_use]
pub fn configurations(markdown: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut rest = markdown;
    while let Some((_, from)) = rest.split_once("```yaml\n") {
        let Some((block, behind)) = from.split_once("```") else { break };
        if block.starts_with("listeners:") || block.contains("\nlisteners:") {
            blocks.push(block.to_owned());
        }
        rest = behind;
    }
    blocks
}

#[cfg(test)]
mod tests;
