//! Makes modules of the texts in `tests/fixtures/evil`, and a table of them.
//!
//! A text with a line `;; variants: a b c` becomes a module for each of these words, named
//! `file_word`, with the word's place in the list where `AT` stands.

use std::{
    env,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

const VARIANTS: &str = ";; variants: ";
const FOLDER: &str = "../../tests/fixtures/evil";

fn main() {
    println!("cargo::rerun-if-changed={FOLDER}");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let mut table = String::from("&[\n");
    let mut files: Vec<PathBuf> =
        fs::read_dir(FOLDER).expect("the texts").map(|file| file.expect("a text").path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|end| end == "wat")) {
        println!("cargo::rerun-if-changed={}", file.display());
        let text = fs::read_to_string(file).expect("a text");
        let name = file.file_stem().and_then(|stem| stem.to_str()).expect("a name of letters");
        match text.lines().find_map(|line| line.strip_prefix(VARIANTS)) {
            None => module(&out, &mut table, name, &text),
            Some(words) => {
                for (at, word) in words.split_whitespace().enumerate() {
                    let text = text.replace("(i32.const AT)", &format!("(i32.const {at})"));
                    module(&out, &mut table, &format!("{name}_{word}"), &text);
                }
            }
        }
    }
    table.push_str("]\n");
    fs::write(out.join("modules.rs"), table).expect("written");
}

fn module(out: &Path, table: &mut String, name: &str, text: &str) {
    match wat::parse_str(text) {
        Ok(bytes) => {
            let file = format!("{name}.wasm");
            fs::write(out.join(&file), bytes).expect("written");
            let path = format!("concat!(env!(\"OUT_DIR\"), \"/{file}\")");
            writeln!(table, "    ({name:?}, include_bytes!({path})),").expect("a string");
        }
        Err(error) => {
            for line in format!("{name}: {error}").lines() {
                println!("cargo::error={line}");
            }
        }
    }
}
