use std::sync::Arc;

use parking_lot::Mutex;
use tracing::subscriber::with_default;

use super::*;

#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<u8>>>);

impl io::Write for Capture {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is written while `work` runs, and the handle to change the filter.
fn capture(
    filter: &str,
    format: LogFormat,
    work: impl FnOnce(&reload::Handle<EnvFilter, Registry>),
) -> String {
    let capture = Capture::default();
    let writer = capture.clone();
    let (subscriber, handle) = subscriber(parse(filter).unwrap(), format, move || writer.clone());
    with_default(subscriber, || work(&handle));
    let bytes = capture.0.lock().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_plugin_line_stays_one_line_with_its_plugin() {
    let line = b"hello\nforged\x1b[31m\xff";
    let text = capture("info", LogFormat::Text, |_filter| {
        log_plugin_line("greet", LogLevel::Warn, line);
    });
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains(r"hello\nforged\u{1b}[31m\xff"), "{text}");
    assert!(text.contains("WARN plugin: "), "{text}");
    assert!(text.contains(r#"plugin="greet""#), "{text}");
}

#[test]
fn json_lines_are_objects() {
    let text = capture("info", LogFormat::Json, |_filter| {
        log_plugin_line("greet", LogLevel::Error, b"say \"hi\"\r\n");
        tracing::info!(number = 3, "second");
    });
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["message"], "say \"hi\"");
    assert_eq!(lines[0]["plugin"], "greet");
    assert_eq!(lines[0]["target"], PLUGIN_LOG_TARGET);
    assert_eq!(lines[1]["number"], 3);
}

#[test]
fn the_filter_holds_and_can_be_changed() {
    let text = capture("info,plugin=error", LogFormat::Text, |filter| {
        tracing::debug!("early");
        log_plugin_line("greet", LogLevel::Warn, b"early");
        filter.reload(parse("debug").unwrap()).unwrap();
        tracing::debug!("late");
        log_plugin_line("greet", LogLevel::Debug, b"late");
    });
    assert!(!text.contains("early"), "{text}");
    assert_eq!(text.matches("late").count(), 2, "{text}");
}

#[test]
fn a_filter_that_makes_no_sense_is_refused_with_its_text() {
    let error = parse("info,plugin=loud").unwrap_err();
    assert!(error.to_string().contains("`info,plugin=loud` is no log filter"), "{error}");
}

/// All that ends a line, drives a terminal, turns text around, cannot be seen or is no text.
fn hostile() -> Vec<Vec<u8>> {
    let controls = ('\0'..=' ').chain('\u{7f}'..='\u{9f}');
    let turning = ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}');
    let separating = ['\u{2028}', '\u{2029}', '\u{feff}', '\u{200b}'].into_iter();
    let all = controls.chain(turning).chain(separating).filter(|one| *one != ' ');
    let mut lines: Vec<_> = all.map(|one| format!("a{one}b").into_bytes()).collect();
    lines.extend(
        [&b"a\xffb"[..], b"a\xc3b", b"a\xed\xa0\x80b", b"a\xf8b", b"a\r\nb", b"a\x1b]0;x\x07b"]
            .map(<[u8]>::to_vec),
    );
    lines
}

#[test]
fn a_line_of_a_plugin_is_one_record_without_a_raw_byte_that_deceives() {
    let is_plain = |one: char| one == '\n' || !crate::escape::is_hidden(one);
    for format in [LogFormat::Text, LogFormat::Json] {
        for line in hostile() {
            let text = capture("info", format, |_filter| {
                log_plugin_line("greet", LogLevel::Info, &line);
            });
            let shown = line.escape_ascii();
            assert_eq!(text.matches('\n').count(), 1, "{shown}: {text:?}");
            assert!(text.ends_with('\n') && text.chars().all(is_plain), "{shown}: {text:?}");
            assert!(!text.contains("ab"), "{shown}: it is still seen that there was one: {text:?}");
        }
    }
}

#[test]
fn as_many_records_are_written_as_lines_were_given() {
    let lines = hostile();
    let text = capture("info", LogFormat::Json, |_filter| {
        lines.iter().for_each(|line| log_plugin_line("greet", LogLevel::Warn, line));
    });
    let records: Result<Vec<serde_json::Value>, _> =
        text.lines().map(serde_json::from_str).collect();
    assert_eq!(records.expect("each is an object").len(), lines.len());
}
