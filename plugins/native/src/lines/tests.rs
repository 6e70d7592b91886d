use super::harmless;

#[test]
fn words_of_a_plugin_are_one_harmless_line() {
    assert_eq!(harmless("it's \"so\"\n\u{1b}[31m"), "it's \"so\"\\n\\u{1b}[31m");
    assert_eq!(harmless(&"x".repeat(5000)).len(), 1000);
}
