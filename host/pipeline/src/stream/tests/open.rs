//! `on_error: open` covers the stream that the plugin failed on.

use host_extension::{FaultKind, OnError, PluginFault};

use super::*;

/// Where the filter fails.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fails {
    AtOnce,
    Later,
}

/// A filter that holds what comes and fails in one hook of one side.
fn failing(log: &Log, side: Side, at: &'static str, fails: Fails) -> Fake {
    Fake::new(log, "a").on_error(OnError::Open).answering(move |on, hook, _| {
        let name = match hook {
            Hook::Headers { .. } => "head",
            Hook::Body { end: false } => "body",
            Hook::Body { end: true } => "end",
            Hook::Trailers => "trailers",
        };
        if (on, name) != (side, at) {
            return if on == side { Verdict::Hold.into() } else { Step::CONTINUE };
        }
        let fault = PluginFault::new(FaultKind::Trapped, "unreachable");
        match fails {
            Fails::AtOnce => Verdict::Failed(fault).into(),
            Fails::Later => crate::testing::later(Verdict::Failed(fault)),
        }
    })
}

#[test]
fn a_request_goes_on_whole_wherever_its_filter_fails() {
    for fails in [Fails::AtOnce, Fails::Later] {
        for (at, request) in [("head", UPLOAD), ("body", UPLOAD), ("end", UPLOAD)] {
            let log = Log::default();
            let fake = failing(&log, Side::Request, at, fails);
            let seen = forwarded(vec![fake.clone()], Vec::new(), request);
            assert!(seen.contains("hello"), "{at} {fails:?}: {seen}");
            let failed = fake.faults.get();
            // Which pieces the bytes come in is the network's choice.
            assert!(failed == 1 || at == "body" && failed == 0, "{at} {fails:?}");
        }
        let log = Log::default();
        let fake = failing(&log, Side::Request, "trailers", fails);
        let seen = forwarded(vec![fake.clone()], Vec::new(), CHUNKED);
        assert!(seen.ends_with("5\r\nhello\r\n0\r\nt: 1\r\n\r\n"), "{fails:?}: {seen}");
        assert_eq!(fake.faults.get(), 1);
    }
}

#[test]
fn a_response_goes_on_whole_wherever_its_filter_fails() {
    let chunked = "HTTP/1.1 200 OK\r\ntrailer: t\r\ntransfer-encoding: chunked\r\n\r\n\
        5\r\nhello\r\n0\r\nt: 1\r\n\r\n";
    let asking = ask("GET", "/").replace("connection", "te: trailers\r\nconnection");
    for fails in [Fails::AtOnce, Fails::Later] {
        for at in ["head", "body", "trailers"] {
            local(async {
                let log = Log::default();
                let fake = failing(&log, Side::Response, at, fails);
                let filters = vec![fake.clone()];
                let setup = Setup { listener_filters: filters, ..answering(chunked).await };
                let got = setup.start().await.ask(&asking).await;
                assert!(got.starts_with("HTTP/1.1 200"), "{at} {fails:?}: {got}");
                let whole = got.ends_with("5\r\nhello\r\n0\r\nt: 1\r\n\r\n");
                assert!(whole, "{at} {fails:?}: {got}");
                assert_eq!(fake.faults.get(), 1, "{at} {fails:?}");
            });
        }
    }
}
