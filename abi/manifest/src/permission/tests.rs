use super::*;

fn words(permission: &str) -> Vec<&'static str> {
    let permission: Permission = permission.parse().unwrap();
    permission.capabilities().map(Capability::word).collect()
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.parse::<Pattern>().unwrap().matches(name.as_bytes(), true)
}

#[test]
fn a_word_names_one_capability_or_all_that_it_begins() {
    assert_eq!(words("log"), ["log"]);
    assert_eq!(words("headers.request"), ["headers.request.read", "headers.request.write"]);
    assert_eq!(words("tcp").len(), 4);
    assert_eq!(words("shared_data"), ["shared_data.read", "shared_data.write"]);
}

#[test]
fn what_is_no_permission_is_refused_with_the_nearest_word() {
    let refused = |text: &str| text.parse::<Permission>().unwrap_err().to_string();
    assert_eq!(refused("htp_call"), "there is no permission `htp_call`; did you mean `http_call`?");
    assert_eq!(refused("zzz"), "there is no permission `zzz`");
    assert_eq!(refused(""), "there is no permission ``");
    assert_eq!(
        refused("header"),
        "there is no permission `header`; did you mean `headers.request.read`?"
    );
    assert_eq!(refused("log:x"), "`log` is granted as a whole: nothing comes behind it");
    assert!(refused("http_call:").contains("it is empty"), "{}", refused("http_call:"));
    for name in ["a b", "a\u{202e}b", "a\u{200b}b", "gr\u{f6}\u{df}e", "a\u{7f}"] {
        let text = refused(&format!("http_call:{name}"));
        assert!(text.contains("spaces"), "{text}");
    }
    assert!(refused(&format!("http_call:{}", "*".repeat(9))).contains("more than 8"));
    assert!(refused(&"x".repeat(257)).contains("256"));
    for path in ["etc", "/etc/*", "*.pem", "~/x"] {
        let refused = refused(&format!("files.read:{path}"));
        assert!(refused.contains("no absolute path"), "{refused}");
    }
}

#[test]
fn permissions_are_written_as_they_were_read() {
    for text in [
        "log",
        "headers.request.write:x-*",
        "headers.request.write::authority",
        "files.read:/etc/ssl",
        "files.read:*",
    ] {
        assert_eq!(text.parse::<Permission>().unwrap().to_string(), text);
    }
}

#[test]
fn a_star_stands_for_any_number_of_bytes() {
    assert!(matches("x-*", "X-Greeting") && matches("x-*", "x-") && matches("*", ""));
    assert!(matches("*-id", "x-request-id") && matches("a*b*c", "a-b-b-c"));
    assert!(!matches("x-*", "y-x-") && !matches("a*b*c", "a-c-b") && !matches("x", "xx"));
    assert!(matches("*B*", "abC") && matches("x*Y*z", "X-y-Z") && !matches("ab*ba", "aba"));
    assert!(matches("**", "") && matches("a**b", "ab") && !matches("a*a", "a"));
    assert!(!"X".parse::<Pattern>().unwrap().matches(b"x", false));
}

#[test]
fn words_are_unique_and_places_are_right() {
    for (place, one) in Capability::ALL.into_iter().enumerate() {
        assert_eq!(one.index(), place);
        assert_eq!(
            Capability::ALL.into_iter().filter(|other| other.word() == one.word()).count(),
            1
        );
        assert!(one.summary().ends_with('.'));
    }
}
