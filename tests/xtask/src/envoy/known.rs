//! Where both proxies differ on purpose, each with the reason.

const LENGTH: &str = "Envoy leaves `content-length` as it was when a plugin changes a body, and \
                      the message ends too early or never; Mortise repairs it";

/// Scenarios by name.
const KNOWN: [(&str, &str); 8] = [
    ("hold_request_body", LENGTH),
    ("hold_response_body", LENGTH),
    ("wrap_body", LENGTH),
    ("double_body", LENGTH),
    ("drop_body", LENGTH),
    (
        "set_all_headers",
        "Envoy routes no request that lost its `x-forwarded-proto` with the head that a plugin \
         replaced as a whole; Mortise asks for no such field",
    ),
    (
        "write_property",
        "Envoy keeps a property with a path of two names where no plugin can read it; Mortise \
         gives it back",
    ),
    (
        "trap_in_request_headers",
        "the status is the same; the text of the answer is each proxy's own",
    ),
];

/// Why a scenario has another result in Mortise, where that is meant to be so.
pub(crate) fn reason(scenario: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(name, _)| *name == scenario).map(|(_, reason)| *reason)
}
