use super::*;

fn sink(lines_per_second_max: u32) -> Sink {
    let limits =
        PluginLimits { log_lines_per_second_max: lines_per_second_max, ..PluginLimits::default() };
    Sink::new(&PluginName::from("greet"), &limits, None)
}

fn dropped(sink: &Sink) -> u64 {
    let mut state = sink.0.lock();
    let later = state.begun.elapsed() + Duration::from_secs(1);
    match state.gate.pass(later) {
        LinePass::After(dropped) => dropped,
        LinePass::Drop => panic!("a new second lets lines pass"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_is_counted_to_the_line_and_its_last_ones_are_kept() {
    let text: String = (0..10_000).map(|line| format!("line {line}\n")).collect();
    let sink = sink(10);
    read_all(text.as_bytes(), sink.clone()).await;
    let tail = sink.tail();
    assert!(tail.starts_with("line 9992 | ") && tail.ends_with(" | line 9999"), "{tail}");
    assert_eq!(dropped(&sink), 9990);
}

#[tokio::test(start_paused = true)]
async fn empty_lines_are_no_lines_and_what_has_no_end_is_one() {
    let sink = sink(2);
    read_all(&b"\n\n\r\none\n\n\ntwo"[..], sink.clone()).await;
    assert_eq!(sink.tail(), "one | two");
    assert_eq!(dropped(&sink), 0);
}

#[tokio::test(start_paused = true)]
async fn both_streams_of_a_child_have_one_limit() {
    let sink = sink(3);
    let take = pieces(&sink);
    take(false, b"one\ntwo\nth");
    take(true, b"oh\nno\n");
    take(false, b"ree\n");
    assert_eq!(sink.tail(), "one | two | oh | no | three");
    assert_eq!(dropped(&sink), 2);
}

#[tokio::test(start_paused = true)]
async fn a_deadline_is_kept_beside_a_flood() {
    // This stream is always ready: only the pace lets the deadline be looked at.
    let sink = sink(10);
    let flood = tokio::io::repeat(b'\n');
    let late = tokio::time::timeout(Duration::from_millis(350), read_all(flood, sink)).await;
    assert!(late.is_err());
}

#[tokio::test(start_paused = true)]
async fn lines_that_are_denied_are_counted_and_kept_for_the_last_ones_only() {
    for are_let in [false, true] {
        let denied = DeniedLines { counter: Arc::default(), story: "no".into(), are_let };
        let counter = Arc::clone(&denied.counter);
        let limits = PluginLimits { log_lines_per_second_max: 1, ..PluginLimits::default() };
        let sink = Sink::new(&PluginName::from("greet"), &limits, Some(denied));
        read_all(&b"one\n\ntwo\nthree"[..], sink.clone()).await;
        assert_eq!(counter.load(Relaxed), 3);
        assert_eq!(sink.tail(), "one | two | three");
        // What never came to the gate was not dropped by it.
        assert_eq!(dropped(&sink), if are_let { 2 } else { 0 });
        assert!(sink.0.lock().has_told);
    }
}
