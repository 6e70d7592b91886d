use super::*;

#[track_caller]
fn check(pattern: &str, value: &str, expect: bool) {
    assert_eq!(Pattern::new(pattern).unwrap().matches(value.as_bytes()), expect, "{pattern}");
}

#[test]
fn a_pattern_matches_the_whole_value() {
    check("a|ab", "ab", true);
    check("a|ab", "abc", false);
    check("(?m)^a$", "x\na", false);
    check("[0-9]+", "12", true);
    check("[0-9]+", "12\n", false);
    check("", "", true);
}

#[test]
fn a_pattern_takes_bytes_that_are_no_text() {
    assert!(Pattern::new(r"(?-u)\xff.").unwrap().matches(b"\xffa"));
}

#[test]
fn what_is_no_expression_is_refused_with_a_reason() {
    assert_eq!(
        Pattern::new("a)|(b").unwrap_err().to_string(),
        "the regular expression is not valid: unopened group"
    );
    assert_eq!(
        Pattern::new("(").unwrap_err().to_string(),
        "the regular expression is not valid: unclosed group"
    );
}

#[test]
fn an_expression_that_needs_much_memory_is_refused() {
    assert_eq!(Pattern::new(r"(\w{900}){900}").unwrap_err(), PatternError::TooLarge);
    assert_eq!(Pattern::new(&"a".repeat(1025)).unwrap_err(), PatternError::TooLarge);
}
