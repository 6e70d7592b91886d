use super::*;

#[track_caller]
fn check(line: &str, level: LogLevel, text: &str) {
    assert_eq!(Parser::default().read(line.as_bytes()), (level, text.to_owned()));
}

#[test]
fn json_of_hclog_gives_level_module_message_and_the_rest() {
    check(
        r#"{"@level":"warn","@message":"slow","@module":"greet","@timestamp":"x","took":7,"who":"me"}"#,
        LogLevel::Warn,
        "greet: slow took=7 who=me",
    );
    check(r#"{"@message":"no level"}"#, LogLevel::Debug, "no level");
    check(r#"{"@level":7,"@message":["x"]}"#, LogLevel::Debug, r#"["x"]"#);
    check(r#"{"@level":"warn""#, LogLevel::Info, r#"{"@level":"warn""#);
}

#[test]
fn a_level_in_brackets_is_taken_and_other_brackets_stay() {
    check("[ERROR] broken", LogLevel::Error, "broken");
    check("[warn]: careful", LogLevel::Warn, "careful");
    check("[x] y", LogLevel::Info, "[x] y");
    check("plain", LogLevel::Info, "plain");
    check("[", LogLevel::Info, "[");
}

#[track_caller]
fn levels(lines: &[&str], expect: &str) {
    let mut parser = Parser::default();
    let mut is_error = |line: &&str| parser.read(line.as_bytes()).0 == LogLevel::Error;
    let letter = |line| if is_error(line) { 'E' } else { '.' };
    assert_eq!(lines.iter().map(letter).collect::<String>(), expect, "{lines:?}");
}

#[test]
fn the_lines_of_a_panic_are_errors() {
    levels(&["fine", "panic: oh no", "", "goroutine 1:", "main.go"], ".EEEE");
    levels(&["fatal error: all goroutines are asleep", "x"], "EE");
    levels(&["thread 'main' (7) panicked at src/main.rs:1:2:", "why", "note: x", "fine"], "EEE.");
    levels(&["Traceback (most recent call last):", "  File x", "KeyError: 1", "fine"], "EEE.");
    levels(&["panic: x", r#"{"@level":"info","@message":"x"}"#, "y"], "E.E");
}
