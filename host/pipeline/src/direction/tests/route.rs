//! Filters of a route: added when those of the listener have let the head pass.

use super::*;

/// Runs a listener's filter `l`, adds `route`, replays, and puts `rest` in.
async fn check(
    listener: Fake,
    route: Fake,
    (before, rest): (&[&str], &[&str]),
    log: &Log,
    (out, calls): (&str, &[&str]),
) {
    let mut bench = bench(Side::Request, &[listener]);
    bench.direction.headers(false).await.unwrap();
    for (index, piece) in before.iter().enumerate() {
        let end = rest.is_empty() && index + 1 == before.len();
        bench.direction.data(bytes(piece), end).await.unwrap();
    }
    assert!(bench.direction.head_passed());
    let added_at = bench.chain.len();
    bench.chain.extend(&[route.entry()]);
    bench.direction.headers(false).await.unwrap();
    bench.direction.replay(added_at).await.unwrap();
    for (index, piece) in rest.iter().enumerate() {
        bench.direction.data(bytes(piece), index + 1 == rest.len()).await.unwrap();
    }
    assert!(bench.direction.head_passed());
    assert_eq!(bench.out().0, out);
    let log = seen(log);
    let seen: Vec<&str> =
        log.iter().filter(|call| call.starts_with('r')).map(String::as_str).collect();
    assert_eq!(seen, calls);
}

fn hold_all(log: &Log, name: &'static str) -> Fake {
    Fake::new(log, name).answering(|_, _, _| Verdict::Hold.into())
}

fn hold_head(log: &Log, name: &'static str) -> Fake {
    Fake::new(log, name).answering(only("head", || Verdict::Hold.into()))
}

#[tokio::test]
async fn a_route_filter_sees_what_passed_before_it_was_there() {
    let log = Log::default();
    let expect = ("abc", &["r>head", "r>body(ab)", "r>body(c)."][..]);
    check(hold_head(&log, "l"), Fake::new(&log, "r"), (&["ab"], &["c"]), &log, expect).await;
    let expect = ("abc", &["r>head", "r>body(ab)", "r>body(abc)."][..]);
    check(hold_head(&log, "l"), hold_all(&log, "r"), (&["ab"], &["c"]), &log, expect).await;
    let expect = ("ab", &["r>head", "r>body(ab)."][..]);
    check(hold_all(&log, "l"), Fake::new(&log, "r"), (&["a", "b"], &[]), &log, expect).await;
    check(hold_all(&log, "l"), hold_all(&log, "r"), (&["a", "b"], &[]), &log, expect).await;
}

#[tokio::test]
async fn a_route_filter_is_told_the_end_of_a_body_that_was_swallowed() {
    let log = Log::default();
    let swallowing = Fake::new(&log, "l").answering(|_, hook, stream| match hook {
        Hook::Headers { .. } => Verdict::Hold.into(),
        Hook::Body { end } => {
            drop(stream.request.body.borrow_mut().take());
            if end { Step::CONTINUE } else { Verdict::Hold.into() }
        }
        Hook::Trailers => Step::CONTINUE,
    });
    let expect = ("", &["r>head", "r>body()."][..]);
    check(swallowing, Fake::new(&log, "r"), (&["a", "b"], &[]), &log, expect).await;
}

#[tokio::test]
async fn trailers_that_came_already_are_replayed_last() {
    let log = Log::default();
    let mut bench = bench(Side::Request, &[hold_all(&log, "l")]);
    bench.direction.headers(false).await.unwrap();
    bench.direction.data(bytes("ab"), false).await.unwrap();
    bench.direction.trailers(fields(&[("t", "1")])).await.unwrap();
    bench.chain.extend(&[hold_all(&log, "r").entry()]);
    bench.direction.headers(false).await.unwrap();
    bench.direction.replay(1).await.unwrap();
    assert_eq!(bench.out(), ("ab".to_owned(), Some(fields(&[("t", "1")]))));
    let log = seen(&log);
    assert!(log.ends_with(&["r>head", "r>body(ab)", "r>trailers"].map(str::to_owned)), "{log:?}");
}
