//! Guests built with SDKs: the example plugins, each before a route of its own.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use crate::{
    Phase,
    case::{Case, Check},
    exchange::Exchange,
};

/// A guest that was found.
#[derive(Clone, Debug)]
pub struct Guest {
    name: &'static str,
    config: &'static str,
    file: PathBuf,
}

/// The file's name, its configuration, and a field that the client gets, or a status where
/// there is no name.
const GUESTS: [(&str, &str, &str, &str); 10] = [
    ("greet", GREETING, "x-greeting", "hello"),
    ("greet-go", GREETING, "x-greeting", "hello"),
    ("greet-cpp", GREETING, "x-greeting", "hello"),
    ("greet-zig", GREETING, "x-greeting", "hello"),
    ("greet-assemblyscript", GREETING, "x-greeting", "hello"),
    ("deny", "{ paths: [/guests/deny], status: 403 }", "", "403"),
    ("http-auth", "{ cluster: upstream, path: /verify }", "", "403"),
    ("metrics", "~", "x-request-number", "1"),
    (
        "shared-data-limiter",
        "{ requests: 5, window_seconds: 100, key_header: x-api-key }",
        "x-limit-left",
        "4",
    ),
    ("body-upper", "~", "", "200"),
];
const GREETING: &str = "{ header: x-greeting, value: hello }";

/// The guests that are in a folder.
#[must_use]
pub fn in_folder(folder: &Path) -> Vec<Guest> {
    let named = GUESTS.into_iter().map(|(name, config, ..)| {
        let file = folder.join(format!("{name}.wasm"));
        Guest { name, config, file }
    });
    named.filter(|guest| guest.file.is_file()).collect()
}

/// How many there could be.
#[must_use]
pub fn known() -> usize {
    GUESTS.len()
}

/// A case for each of them.
pub(crate) fn cases(guests: &[Guest]) -> Vec<Case> {
    let known = GUESTS.into_iter().filter(|(name, ..)| guests.iter().any(|g| g.name == *name));
    known.map(|(name, _, field, value)| case(name, field, value)).collect()
}

fn case(name: &'static str, field: &'static str, value: &'static str) -> Case {
    let mut exchange = Exchange::post(&["hello"]);
    exchange.path = path(name);
    let phase = Phase::RequestHeaders;
    let case = Case::at(phase, "guest", name).drive(exchange).clear_until().only_here();
    let case = match value.parse() {
        Ok(status) if field.is_empty() => case.check(Check::Status(status)),
        _ => case.check(Check::Status(200)).check(Check::Field(field, value)),
    };
    if name == "body-upper" { case.check(Check::Body("HELLO".to_owned())) } else { case }
}

fn path(name: &str) -> String {
    format!("/guests/{name}")
}

/// The routes and the plugins of our own proxy's configuration.
pub(crate) fn configuration(guests: &[Guest]) -> (String, String) {
    let (mut routes, mut plugins) = (String::new(), String::new());
    for Guest { name, config, file } in guests {
        let path = path(name);
        let _infallible = writeln!(
            routes,
            "      - match: {{ prefix: {path} }}\n        cluster: upstream\n        \
             stream_filters: [{{ plugin: {name}, config: {config} }}]"
        );
        let _infallible = writeln!(
            plugins,
            "  - {{ name: {name}, backend: wasm, source: \"{}\", policy: guest }}",
            file.display()
        );
    }
    (routes, plugins)
}
