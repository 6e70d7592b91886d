//! Libraries made by the C compiler.

use std::{fs, path::Path, process::Command};

/// The plugin that the tests begin with: it continues at each request's head.
pub(crate) const PLAIN: &str = r#"
#include "mortise.h"
MORTISE_PLUGIN_ABI;
static int dummy;
static void *instance_new(mortise_handle *handle, mortise_bytes root_id, mortise_bytes config,
                          uint32_t *phases) {
    (void)handle; (void)root_id; (void)config; (void)phases;
    return &dummy;
}
static void instance_free(void *instance) { (void)instance; }
static mortise_action request_headers(void *instance, void *stream, uint64_t context,
                                      uint32_t end) {
    (void)instance; (void)stream; (void)context; (void)end;
    return ANSWER;
}
static mortise_plugin plugin = {
    .size = SIZE, .major = MAJOR, .minor = 0,
    .phases = 0x7ff,
    .instance_new = NEW, .instance_free = FREE,
    .request_headers = request_headers,
};
const mortise_plugin *mortise_plugin_entry(const mortise_host *host) {
    (void)host;
    return TABLE;
}
"#;

/// What stands for the words in capitals where a test says nothing else.
const DEFAULTS: [(&str, &str); 6] = [
    ("ANSWER", "MORTISE_CONTINUE"),
    ("SIZE", "sizeof(mortise_plugin)"),
    ("MAJOR", "MORTISE_ABI_MAJOR"),
    ("NEW", "instance_new"),
    ("FREE", "instance_free"),
    ("TABLE", "&plugin"),
];

/// Compiles the plain plugin with other words; `None`, loudly, where there is no compiler.
pub(crate) fn plain(words: &[(&str, &str)]) -> Option<Vec<u8>> {
    let mut arguments = Vec::new();
    for (word, standard) in DEFAULTS {
        let said = words.iter().find(|(known, _)| *known == word);
        arguments.push(format!("-D{word}={}", said.map_or(standard, |(_, said)| *said)));
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    library(PLAIN, &arguments)
}

/// Compiles the plain plugin with more code: `code` stands before its functions and has the
/// handle as `proxy`, `callbacks` stand in its table, and `answer` is what it answers each
/// request's head with.
pub(crate) fn with(code: &str, callbacks: &str, answer: &str) -> Option<Vec<u8>> {
    let dummy = "static int dummy;";
    let source = PLAIN.replace(dummy, &format!("{dummy}\nstatic mortise_handle *proxy;\n{code}"));
    let source = source.replace("(void)handle;", "proxy = handle;").replace("ANSWER", answer);
    let head = ".request_headers = request_headers,";
    let source = source.replace(head, &format!("{head} {callbacks}"));
    let words = DEFAULTS.into_iter().filter(|(word, _standard)| *word != "ANSWER");
    let words: Vec<_> = words.map(|(word, standard)| format!("-D{word}={standard}")).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    library(&source, &words)
}

/// Compiles a shared library.
pub(crate) fn library(source: &str, arguments: &[&str]) -> Option<Vec<u8>> {
    let mut all = vec!["-shared", "-fPIC"];
    all.extend(arguments);
    compile(source, &all)
}

/// Compiles and links a file.
#[expect(clippy::disallowed_methods, reason = "a test that asks the C compiler")]
pub(crate) fn compile(source: &str, arguments: &[&str]) -> Option<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("plugin.c");
    let out = folder.path().join("out");
    fs::write(&file, source).expect("written");
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../abi/native/include");
    let mut command = Command::new("cc");
    command.args(["-std=c11", "-O1", "-I"]).arg(include).arg(file).arg("-o").arg(&out);
    match command.args(arguments).current_dir(folder.path()).output() {
        Ok(done) => {
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            Some(fs::read(out).expect("compiled"))
        }
        Err(error) => {
            eprintln!("SKIPPED: there is no `cc` here: {error}");
            None
        }
    }
}
