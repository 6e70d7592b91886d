use proptest::prelude::*;

use super::*;

fn names(service: Option<&str>, method: Option<&str>) -> RpcMatch {
    RpcMatch { service: service.map(Into::into), method: method.map(Into::into) }
}

#[track_caller]
fn check(service: Option<&str>, method: Option<&str>, taken: &[&str], left: &[&str]) {
    let condition = names(service, method);
    for path in taken {
        assert!(condition.matches(path), "{condition:?} on {path}");
    }
    for path in left {
        assert!(!condition.matches(path), "{condition:?} on {path}");
    }
}

#[test]
fn both_names_are_compared_whole() {
    let left =
        ["/com.Echo/says", "/com.Ech/say", "/com.Echo/Say", "/xcom.Echo/say", "/say/com.Echo"];
    check(Some("com.Echo"), Some("say"), &["/com.Echo/say"], &left);
}

#[test]
fn a_name_that_is_not_said_may_be_any() {
    check(Some("s"), None, &["/s/a", "/s/-", "/s/%2F"], &["/t/a", "/s/", "/s"]);
    check(None, Some("m"), &["/a/m", "/-/m"], &["/a/n", "//m", "/m"]);
}

#[test]
fn the_path_has_two_parts_and_no_more() {
    check(None, None, &["/a/b"], &["", "*", "/", "/a", "/a/", "//b", "/a/b/", "/a/b/c", "a/b"]);
}

#[test]
fn what_is_percent_encoded_is_the_same_name() {
    check(
        Some("a/b"),
        Some("c d"),
        &["/a%2Fb/c%20d", "/a%2fb/%63 d"],
        &["/a/b/c d", "/a%252Fb/c%20d"],
    );
    check(Some("%"), Some("%4"), &["/%/%4", "/%25/%254", "/%25/%4"], &["/%25%/%4"]);
    check(Some("é"), Some("m"), &["/%C3%A9/m"], &["/%E9/m"]);
    check(Some("x"), Some("m"), &[], &["/%FF/m", "/x%/m", "/x%G0/m"]);
}

fn encode(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

proptest! {
    #[test]
    fn a_name_is_found_however_it_is_encoded(
        service in "[a-zA-Z0-9._:$-]{1,12}",
        method in "\\PC{1,12}",
        other in "\\PC{1,12}",
    ) {
        let condition = names(Some(&service), Some(&method));
        let encoded = format!("/{}/{}", encode(&service), encode(&method));
        prop_assert!(condition.matches(&encoded));
        let path = format!("/{service}/{}", encode(&method));
        prop_assert!(condition.matches(&path));
        let path = format!("/{service}/{}", encode(&other));
        prop_assert_eq!(condition.matches(&path), other == method);
    }

    #[test]
    fn any_path_is_answered(path in "\\PC{0,24}|/[%0-9a-f/]{0,24}") {
        let any = names(None, None).matches(&path);
        let parts: Vec<&str> = path.split('/').collect();
        let two = matches!(&parts[..], ["", service, method] if !service.is_empty() && !method.is_empty());
        prop_assert_eq!(any, two);
    }
}
