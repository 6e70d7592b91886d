//! Policies, manifests and accesses from few words, so that they meet often.

use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::{Argument, Capability, Permission, Preset};

/// The lists of a policy, and that of a manifest where there is one.
#[derive(Clone, Debug, Default)]
pub(super) struct Lists {
    pub(super) grants: Vec<String>,
    pub(super) denials: Vec<String>,
    pub(super) asked: Option<Vec<String>>,
}

pub(super) fn permissions(texts: &[String]) -> Vec<Permission> {
    texts.iter().map(|text| text.parse().expect("they are well-formed")).collect()
}

pub(super) fn presets() -> impl Strategy<Value = Preset> {
    select(Preset::ALL.to_vec())
}

pub(super) fn lists() -> impl Strategy<Value = Lists> {
    let few = vec(permission_text(), 0..4);
    (permission_texts(), few, option::of(permission_texts()))
        .prop_map(|(grants, denials, asked)| Lists { grants, denials, asked })
}

pub(super) fn permission_texts() -> impl Strategy<Value = Vec<String>> {
    vec(permission_text(), 0..8)
}

/// Words of capabilities, whole and their first parts.
fn permission_words() -> Vec<&'static str> {
    let beginnings = [
        "headers",
        "headers.request",
        "headers.response",
        "body",
        "tcp",
        "shared_data",
        "properties",
    ];
    Capability::ALL.into_iter().map(Capability::word).chain(beginnings).collect()
}

fn permission_text() -> impl Strategy<Value = String> {
    let word = select(permission_words());
    (word, option::of(pattern())).prop_map(|(word, pattern)| match pattern {
        Some(pattern) if takes_pattern(word, &pattern) => format!("{word}:{pattern}"),
        _ => word.to_owned(),
    })
}

fn takes_pattern(word: &str, pattern: &str) -> bool {
    if word == "files.read" {
        return pattern == "*" || pattern.starts_with('/') && !pattern.contains('*');
    }
    let begins =
        |one: &Capability| one.word() == word || one.word().starts_with(&format!("{word}."));
    Capability::ALL.iter().filter(|one| begins(one)).all(|one| one.argument() != Argument::None)
}

const NAMES: [&str; 18] = [
    "x-a",
    "x-b",
    "X-A",
    "a",
    "b",
    "cookie",
    "host",
    ":authority",
    ":path",
    "te",
    "TE",
    "content-length",
    "own",
    "other",
    "/etc",
    "/etc/ssl",
    "/etc/../b",
    "",
];

fn pattern() -> impl Strategy<Value = String> {
    let known: Vec<_> = NAMES.iter().filter(|name| !name.is_empty()).copied().collect();
    prop_oneof![
        select(known).prop_map(str::to_owned),
        select(vec!["*", "x-*", "*a", "h*", ":*", "*e*", "/etc/*", "o*r", "/"])
            .prop_map(str::to_owned),
        "[ab*-]{1,5}",
    ]
}

/// What plugins may want to do.
pub(super) fn accesses() -> impl Strategy<Value = Vec<(Capability, String)>> {
    let name = prop_oneof![
        4 => select(NAMES.to_vec()).prop_map(str::to_owned),
        1 => "[abx-]{0,6}",
    ];
    vec((select(Capability::ALL.to_vec()), name), 1..12)
}
