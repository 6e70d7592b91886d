use super::*;
use crate::{Phases, Refusal, backend::Registration};

static DECLARATION: Declaration = Declaration {
    name: "pair",
    version: "1.2.3",
    plugins: &[
        Registration {
            root_id: "reader",
            phases: Phases::REQUEST_HEADERS.and(Phases::LOG),
            properties: &[],
            start: |_, _| Err(Refusal::new("no")),
        },
        Registration {
            root_id: "",
            phases: Phases::ALL,
            properties: &[],
            start: |_, _| Err(Refusal::new("no")),
        },
    ],
};

#[test]
fn an_artifact_is_described_a_line_for_each_plugin() {
    let text = describe(&DECLARATION);
    let lines: Vec<_> = text.lines().collect();
    assert!(lines[0].starts_with("pair 1.2.3 (mortise-sdk "), "{text}");
    assert_eq!(lines[1], "plugin reader: request headers, log");
    assert!(lines[2].starts_with("plugin: request headers, request body, "), "{text}");
    assert!(lines[2].ends_with(", upstream data, close"), "{text}");
}

#[test]
fn who_starts_it_by_hand_is_told_how_it_is_meant() {
    let error = error::ServeError::ByHand("pair", "/opt/pair".to_owned());
    let text = error::story(&error);
    assert!(text.contains("backend: process\n      source: /opt/pair"), "{text}");
}
