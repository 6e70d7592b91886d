use super::*;

fn message(status: &str, headers: &[(&str, &str)], body: &str) -> Message {
    let own = |text: &str| text.to_owned();
    Message {
        first: format!("HTTP/1.1 {status} Something"),
        headers: headers.iter().map(|(name, value)| (own(name), own(value))).collect(),
        body: body.as_bytes().to_vec(),
    }
}

#[test]
fn only_what_is_watched_is_compared_of_headers() {
    let scenario = Scenario { watch: &["x-a"], ..Scenario::default() };
    let body = "the upstream saw:\nGET / HTTP/1.1\nX-A: 2\nhost: here\n\nthe body";
    let seen = answer(&scenario, Ok(message("200", &[("x-a", "1"), ("date", "now")], body)));
    let expected = [
        "status 200",
        "header x-a: 1",
        "body \"the upstream saw:\" ... \"the body\"",
        "upstream GET / HTTP/1.1",
        "upstream x-a: 2",
    ];
    assert_eq!(seen, expected);
}

#[test]
fn replies_that_are_not_of_the_upstream_are_compared_whole() {
    let scenario = Scenario::default();
    let seen = answer(&scenario, Ok(message("403", &[], "no\n")));
    assert_eq!(seen, ["status 403", "body \"no\\n\""]);
    assert_eq!(answer(&scenario, Err(anyhow::anyhow!("closed"))), ["no answer"]);
}

#[test]
fn lines_of_both_logs_are_the_same_without_what_differs_each_time() {
    let ours =
        "12:00 INFO plugin: a: {\"status\":200,\"duration_us\":7,\"upstream\":null} plugin=\"p\"\n";
    let theirs =
        "[info] wasm log p: a: {\"status\":200,\"duration_us\":9,\"upstream\":null}\nother\n";
    assert_eq!(lines(ours, "a: "), lines(theirs, "a: "));
    assert_eq!(lines(ours, "a: ").len(), 1);
    let text = "x m: 12 bytes, 0 more; ended by the client\nm: {no json}";
    assert_eq!(lines(text, "m: "), ["m: some bytes, 0 more", "m: {no json}"]);
}
