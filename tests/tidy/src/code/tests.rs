use super::*;

#[track_caller]
fn check(text: &str, expect: &str) {
    let code = only(text);
    assert_eq!(code.split_whitespace().collect::<Vec<_>>().join(" "), expect, "{text}");
    assert_eq!(code.matches('\n').count(), text.matches('\n').count(), "{text}");
}

#[test]
fn comments_and_literals_are_no_code() {
    check("a // unsafe\nb", "a b");
    check("a /* one /* two */ unsafe\n */ b", "a b");
    check(r#"f("unsafe \" {") g"#, "f( ) g");
    check(r##"f(r#"unsafe " { "# ) g"##, "f( ) g");
    check("f(br\"x\", b\"y\", 'z') g", "f( , b , ) g");
    check("match c { '\"' => a, '\\'' => b, '\\\\' => d }", "match c { => a, => b, => d }");
    check("fn f<'a>(x: &'a str) -> &'static str", "fn f< a>(x: & a str) -> & static str");
    check("let for_\" unfinished", "let for_");
    check("/* unfinished", "");
}

#[test]
fn a_word_is_found_only_on_its_own() {
    assert!(has_word("unsafe { x }", "unsafe"));
    assert!(has_word("(unsafe)", "unsafe"));
    assert!(!has_word("#![deny(unsafe_code)]", "unsafe"));
    assert!(!has_word("not_unsafe", "unsafe"));
}
