//! The cases of the network filters.

use serde_json::json;

use super::talk::{Talk, Turn};

use Turn::{
    Answers, ClientEnds, ClientSeesEnd, Hears, Logged, NewClient, Reads, Sends, UpstreamEnds,
    UpstreamSeesEnd,
};

/// The table.
pub(crate) fn cases() -> Vec<Talk> {
    [bytes(), changes(), holds(), calls(), ends(), knowledge(), faults()].concat()
}

fn bytes() -> Vec<Talk> {
    vec![
        Talk::new("net_passes", json!({}), &[Sends("hello"), Reads(5), Answers("world"), Hears(5)]),
        Talk::new(
            "net_reads_both_ways",
            json!({
                "downstream_data": [{ "note_bytes": "downstream" }, "log_notes"],
                "upstream_data": [{ "note_bytes": "upstream" }, "log_notes"],
            }),
            &[Sends("abc"), Reads(3), Answers("def"), Hears(3)],
        ),
        Talk::new(
            "net_replaces_down",
            json!({ "downstream_data": [{ "set_bytes": ["downstream", "other"] }] }),
            &[Sends("abc"), Reads(5), Answers("def"), Hears(3)],
        ),
        Talk::new(
            "net_replaces_up",
            json!({ "upstream_data": [{ "set_bytes": ["upstream", "other"] }] }),
            &[Sends("abc"), Reads(3), Answers("def"), Hears(5)],
        ),
        Talk::new(
            "net_upper",
            json!({
                "downstream_data": [{ "upper": "downstream" }],
                "upstream_data": [{ "upper": "upstream" }],
            }),
            &[Sends("abc"), Reads(3), Answers("def"), Hears(3), Sends("x"), Reads(1)],
        ),
    ]
}

fn changes() -> Vec<Talk> {
    vec![
        Talk::new(
            "net_splices",
            json!({ "downstream_data": [
                { "when_bytes": ["downstream", "middle", [
                    { "splice": ["downstream", 0, 0, "<"] },
                    { "splice": ["downstream", 1, 1, "M"] },
                    { "append": ["downstream", ">"] },
                ]] },
            ] }),
            &[Sends("middle"), Reads(8), Answers("x"), Hears(1)],
        ),
        Talk::new(
            "net_splice_past_the_end",
            json!({ "downstream_data": [
                { "when_bytes": ["downstream", "abc", [
                    { "splice": ["downstream", 2, 1000, "..."] },
                    { "splice": ["downstream", 1000, 5, "!"] },
                ]] },
            ] }),
            &[Sends("abc"), Reads(6)],
        ),
        Talk::new(
            "net_drops",
            json!({ "downstream_data": [
                { "when_bytes": ["downstream", "secret", [{ "set_bytes": ["downstream", ""] }]] },
            ] }),
            &[Sends("secret"), Answers("x"), Hears(1), Sends("open"), Reads(4)],
        ),
        Talk::new(
            "net_grows",
            json!({ "downstream_data": [{ "repeat": ["downstream", 10_000] }] }),
            &[Sends("0123456789"), Reads(100_000)],
        ),
        Talk::new(
            "net_chain_down_and_up",
            json!({
                "downstream_data": [{ "when_bytes": ["downstream", "q", [
                    { "append": ["downstream", "1"] },
                ]] }],
                "upstream_data": [{ "when_bytes": ["upstream", "a", [
                    { "append": ["upstream", "1"] },
                ]] }],
            }),
            &[Sends("q"), Reads(3), Answers("a"), Hears(3)],
        )
        .then(json!({
            "downstream_data": [{ "when_bytes": ["downstream", "q", [
                { "append": ["downstream", "2"] },
            ]] }],
            "upstream_data": [{ "when_bytes": ["upstream", "a", [
                { "append": ["upstream", "2"] },
            ]] }],
        })),
    ]
}

fn holds() -> Vec<Talk> {
    vec![
        Talk::new(
            "net_holds_until_enough",
            json!({ "downstream_data": [
                { "note_bytes": "downstream" }, "log_notes",
                { "pause_until": ["downstream", 4] },
                { "bracket": "downstream" },
            ] }),
            &[Sends("ab"), Logged("bytes=ab"), Sends("cd"), Reads(6)],
        ),
        Talk::new(
            "net_holds_up_until_enough",
            json!({ "upstream_data": [
                { "note_bytes": "upstream" }, "log_notes",
                { "pause_until": ["upstream", 4] },
                { "bracket": "upstream" },
            ] }),
            &[Sends("q"), Reads(1), Answers("ab"), Logged("bytes=ab"), Answers("cd"), Hears(6)],
        ),
        Talk::new(
            "net_holds_to_the_end",
            json!({ "downstream_data": ["pause_unless_end", { "bracket": "downstream" }] }),
            &[Sends("abc"), ClientEnds, Reads(5)],
        ),
        Talk::new(
            "net_new_waits_for_tick",
            json!({ "tick_ms": 20, "new_connection": ["wait", "pause"],
                "released": [{ "log": ["info", "released"] }, { "resume": "downstream" }] }),
            &[Sends("abc"), Reads(3), Answers("x"), Hears(1)],
        ),
        Talk::new(
            "net_data_waits_for_tick",
            json!({ "tick_ms": 20, "downstream_data": [{ "once": ["wait", "pause"] }],
                "released": [{ "resume": "downstream" }] }),
            &[Sends("abc"), Reads(3), Sends("def"), Reads(3)],
        ),
        // What was resumed was passed on: the next bytes are seen without it.
        Talk::new(
            "net_data_after_a_resume",
            json!({ "tick_ms": 20,
                "downstream_data": [
                    { "note_bytes": "downstream" }, "log_notes",
                    { "once": ["wait", "pause"] }, { "bracket": "downstream" },
                ],
                "released": [{ "resume": "downstream" }] }),
            &[Sends("one"), Reads(3), Sends("two and more"), Reads(14)],
        ),
        Talk::new(
            "net_up_data_after_a_resume",
            json!({ "tick_ms": 20,
                "upstream_data": [
                    { "note_bytes": "upstream" }, "log_notes",
                    { "once": ["wait", "pause"] }, { "bracket": "upstream" },
                ],
                "released": [{ "resume": "upstream" }] }),
            &[Sends("q"), Reads(1), Answers("one"), Hears(3), Answers("four"), Hears(6)],
        ),
        Talk::new(
            "net_up_waits_for_tick",
            json!({ "tick_ms": 20, "upstream_data": [{ "once": ["wait", "pause"] }],
                "released": [{ "resume": "upstream" }] }),
            &[Sends("q"), Reads(1), Answers("abc"), Hears(3)],
        ),
        Talk::new(
            "net_tick_edits_what_waits",
            json!({ "tick_ms": 20, "downstream_data": [{ "once": ["wait", "pause"] }],
                "released": [{ "bracket": "downstream" }, { "resume": "downstream" }] }),
            &[Sends("abc"), Reads(5)],
        ),
    ]
}

fn calls() -> Vec<Talk> {
    vec![
        Talk::new(
            "net_call_lets_go",
            json!({
                "downstream_data": [{ "once": [{ "call": ["asked", "/answer", 5000] }, "pause"] }],
                "answer": ["note_answer", "log_notes", { "resume": "downstream" }],
            }),
            &[Sends("abc"), Reads(3)],
        ),
        Talk::new(
            "net_call_to_nowhere",
            json!({
                "new_connection": [{ "call": ["nowhere", "/", 1000] }, "log_notes"],
            }),
            &[Sends("abc"), Reads(3)],
        ),
        Talk::new(
            "net_call_to_the_dead",
            json!({
                "downstream_data": [{ "once": [{ "call": ["dead", "/", 1000] }, "pause"] }],
                "answer": ["note_answer", "log_notes", { "resume": "downstream" }],
            }),
            &[Sends("abc"), Reads(3)],
        ),
    ]
}

fn ends() -> Vec<Talk> {
    vec![
        Talk::new("net_refuses", json!({ "new_connection": ["close"] }), &[ClientSeesEnd]),
        Talk::new(
            "net_closes_on_a_word",
            json!({ "downstream_data": [{ "when_bytes": ["downstream", "bad", ["close"]] }] }),
            &[Sends("good"), Reads(4), Sends("bad"), ClientSeesEnd, UpstreamSeesEnd],
        ),
        Talk::new(
            "net_closes_on_an_answer",
            json!({ "upstream_data": [{ "when_bytes": ["upstream", "bad", ["close"]] }] }),
            &[Sends("q"), Reads(1), Answers("bad"), ClientSeesEnd, UpstreamSeesEnd],
        ),
        Talk::new(
            "net_tick_closes",
            json!({ "tick_ms": 20, "downstream_data": ["wait", "pause"],
                "released": ["close_now"] }),
            &[Sends("abc"), ClientSeesEnd, UpstreamSeesEnd],
        ),
        Talk::new(
            "net_hooks_when_the_client_ends",
            json!({ "trace": true,
                "downstream_close": ["note_closer", "log_notes"],
                "upstream_close": ["note_closer", "log_notes"],
                "complete": [{ "log": ["info", "over"] }] }),
            &[
                Sends("abc"),
                Reads(3),
                Answers("x"),
                Hears(1),
                ClientEnds,
                UpstreamSeesEnd,
                UpstreamEnds,
                ClientSeesEnd,
                Logged("over"),
            ],
        ),
        Talk::new(
            "net_hooks_when_the_upstream_ends",
            json!({ "trace": true,
                "downstream_close": ["note_closer", "log_notes"],
                "upstream_close": ["note_closer", "log_notes"],
                "complete": [{ "log": ["info", "over"] }] }),
            &[
                Sends("abc"),
                Reads(3),
                UpstreamEnds,
                ClientSeesEnd,
                ClientEnds,
                UpstreamSeesEnd,
                Logged("over"),
            ],
        ),
        Talk::new(
            "net_end_is_told",
            json!({ "downstream_data": [{ "at_end": ["note_end", "log_notes"] }] }),
            &[Sends("abc"), Reads(3), ClientEnds, UpstreamSeesEnd],
        ),
        Talk::new(
            "net_last_words",
            json!({ "downstream_data": [{ "at_end": [{ "append": ["downstream", "bye"] }] }] }),
            &[Sends("abc"), Reads(3), ClientEnds, UpstreamSeesEnd],
        ),
    ]
}

fn knowledge() -> Vec<Talk> {
    vec![
        Talk::new(
            "net_properties",
            json!({ "downstream_data": [{ "once": [
                { "has_property": ["source", "address"] },
                { "has_property": ["destination", "port"] },
                { "property": ["listener_name"] },
                { "property": ["no", "such", "thing"] },
                "log_notes",
            ] }] }),
            &[Sends("abc"), Reads(3)],
        ),
        Talk::new(
            "net_sets_a_property",
            json!({
                "new_connection": [{ "set_property": [["matrix", "tag"], "blue"] }],
                "downstream_data": [{ "once": [{ "property": ["matrix", "tag"] }, "log_notes"] }],
            }),
            &[Sends("abc"), Reads(3)],
        ),
        Talk::new(
            "net_counts",
            json!({
                "new_connection": [{ "count": ["net_counts_opened", 1] }],
                "downstream_data": [{ "once": [{ "record": ["net_counts_seen", 3] }] }],
                "complete": [{ "count": ["net_counts_closed", 2] }, { "log": ["info", "over"] }],
            }),
            &[
                Sends("abc"),
                Reads(3),
                ClientEnds,
                UpstreamSeesEnd,
                UpstreamEnds,
                ClientSeesEnd,
                Logged("over"),
            ],
        ),
        Talk::new(
            "net_shares",
            json!({ "new_connection": [{ "shared_add": "net_shares" }, "log_notes"] }),
            &[Sends("a"), Reads(1), NewClient, Sends("b"), Reads(1)],
        ),
        Talk::new(
            "net_late_bytes",
            json!({ "new_connection": [
                { "note_bytes": "downstream" }, { "note_bytes": "upstream" }, "log_notes",
            ], "complete": [{ "note_bytes": "downstream" }, "log_notes"] }),
            &[Sends("a"), Reads(1), ClientEnds, UpstreamSeesEnd, UpstreamEnds, ClientSeesEnd],
        ),
    ]
}

fn faults() -> Vec<Talk> {
    let new = json!({ "new_connection": [{ "panic": "told to" }] });
    let down = json!({ "downstream_data": [{ "when_bytes": ["downstream", "bad", [{ "panic": "told to" }]] }] });
    let up = json!({ "upstream_data": [{ "panic": "told to" }] });
    let create = json!({ "panic_in_create": true, "new_connection": [{ "log": ["info", "in"] }] });
    vec![
        Talk::new("net_panic_new_closed", new.clone(), &[ClientSeesEnd]),
        Talk::new("net_panic_new_open", new, &[Sends("abc"), Reads(3), Answers("x"), Hears(1)])
            .on_error("open"),
        Talk::new(
            "net_panic_down_closed",
            down.clone(),
            &[Sends("good"), Reads(4), Sends("bad"), ClientSeesEnd, UpstreamSeesEnd],
        ),
        Talk::new(
            "net_panic_down_open",
            down,
            &[Sends("good"), Reads(4), Sends("bad"), Reads(3), Answers("x"), Hears(1)],
        )
        .on_error("open"),
        Talk::new(
            "net_panic_up_closed",
            up.clone(),
            &[Sends("q"), Reads(1), Answers("abc"), ClientSeesEnd, UpstreamSeesEnd],
        ),
        Talk::new("net_panic_up_open", up, &[Sends("q"), Reads(1), Answers("abc"), Hears(3)])
            .on_error("open"),
        Talk::new("net_panic_create_closed", create.clone(), &[ClientSeesEnd]),
        Talk::new(
            "net_no_stream",
            json!({ "new_connection": ["note_other", "log_notes"] }),
            &[Sends("abc"), Reads(3)],
        ),
        Talk::new(
            "net_no_filter",
            json!({ "no_filter": true, "trace": true }),
            &[Sends("abc"), Reads(3), Answers("def"), Hears(3), ClientEnds, UpstreamSeesEnd],
        )
        .then(json!({ "downstream_data": [{ "upper": "downstream" }] })),
        Talk::new("net_panic_create_open", create, &[Sends("abc"), Reads(3)]).on_error("open"),
        Talk::new(
            "net_serves_again_after_a_panic",
            json!({ "downstream_data": [
                { "when_bytes": ["downstream", "bad", [{ "panic": "told to" }]] },
                { "upper": "downstream" },
            ] }),
            &[Sends("bad"), ClientSeesEnd, UpstreamSeesEnd, NewClient, Sends("good"), Reads(4)],
        ),
    ]
}
