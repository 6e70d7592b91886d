//! Names out of a module, for a person's eyes: demangled, in one line, and never long. They
//! are the guest's and may be anything.

use std::fmt::{self, Write};

use cpp_demangle::{DemangleOptions, Symbol};

/// Characters of a function's name; what is longer ends in dots.
const NAME_CHARS_MAX: usize = 120;
/// Characters of a file's name.
const FILE_CHARS_MAX: usize = 60;
/// Of a path only its end is told: the file with its directory.
const PATH_PARTS: usize = 2;
/// Bytes of a name that is demangled; longer ones are told as they are.
const MANGLED_BYTES_MAX: usize = 4096;

/// A function's name as its programmer wrote it.
pub(super) fn function(name: &str) -> String {
    let mut out = Line::new(NAME_CHARS_MAX);
    if name.len() > MANGLED_BYTES_MAX || !demangle(name, &mut out) {
        out.push(name);
    }
    out.finish()
}

/// True of functions of language runtimes through which a panic goes before it traps.
pub(super) fn is_machinery(function: &str) -> bool {
    const NAMES: [&str; 4] = ["abort", "rust_panic", "__cxa_throw", "runtime.fatalpanic"];
    const STARTS: [&str; 7] = [
        "std::",
        "__rustc::",
        "core::panicking::",
        "core::option::",
        "core::result::",
        "runtime.gopanic",
        "runtime.panic",
    ];
    NAMES.contains(&function) || STARTS.iter().any(|start| function.starts_with(start))
}

/// A file's name with its directory.
pub(super) fn file(path: &str) -> String {
    let mut parts: Vec<_> =
        path.rsplit(['/', '\\']).filter(|part| !part.is_empty()).take(PATH_PARTS).collect();
    parts.reverse();
    let mut out = Line::new(FILE_CHARS_MAX);
    out.push(&parts.join("/"));
    out.finish()
}

/// Writes the name that a mangled one stands for; false where it is not mangled.
fn demangle(name: &str, out: &mut Line) -> bool {
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        // An error says that the line is full.
        return write!(out, "{rust:#}").is_ok() || out.full;
    }
    if !name.starts_with("_Z") {
        return false;
    }
    let Ok(symbol) = Symbol::new(name) else { return false };
    let options = DemangleOptions::new().hide_expression_literal_types();
    symbol.structured_demangle(&mut *out, &options).is_ok() || out.full
}

/// Text of one line that takes so many characters and then refuses more.
struct Line {
    text: String,
    left: usize,
    full: bool,
}

impl Line {
    fn new(chars_max: usize) -> Self {
        Self { text: String::new(), left: chars_max, full: false }
    }

    /// As much of a text as there is room for.
    fn push(&mut self, text: &str) {
        if self.write_str(text).is_err() {
            self.full = true;
        }
    }

    fn finish(mut self) -> String {
        if self.full {
            self.text.push_str("..");
        }
        self.text
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for char in text.chars() {
            if self.left == 0 {
                self.full = true;
                return Err(fmt::Error);
            }
            self.left -= 1;
            if char.is_control() {
                self.text.extend(char.escape_default());
            } else {
                self.text.push(char);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
