use super::*;

#[track_caller]
fn check(domains: &[&str], authority: &str, expect: Option<&str>) {
    let mut table = DomainTable::default();
    for (number, domain) in domains.iter().enumerate() {
        table.add(&domain.parse().unwrap(), number);
    }
    let authority = authority.parse().ok();
    let found = table.find(authority.as_ref()).map(|number| domains[number]);
    assert_eq!(found, expect, "{authority:?}");
}

const ALL: &[&str] =
    &["*", "*.com", "*.example.com", "example.com", "example.com:8443", "[::1]", "*:81"];

#[test]
fn the_most_exact_domain_wins() {
    check(ALL, "example.com", Some("example.com"));
    check(ALL, "EXAMPLE.com:80", Some("example.com"));
    check(ALL, "example.com:8443", Some("example.com:8443"));
    check(ALL, "a.example.com", Some("*.example.com"));
    check(ALL, "a.b.Example.Com", Some("*.example.com"));
    check(ALL, "other.com", Some("*.com"));
    check(ALL, "[::1]:80", Some("[::1]"));
    check(ALL, "other", Some("*"));
    check(ALL, "other:81", Some("*:81"));
    check(ALL, "user@example.com", Some("example.com"));
}

#[test]
fn a_suffix_needs_a_label_before_it() {
    check(&["*.example.com"], "example.com", None);
    check(&["*.example.com"], ".example.com", None);
    check(&["*.example.com"], "notexample.com", None);
}

#[test]
fn a_request_without_authority_is_served_by_the_star() {
    check(ALL, "", Some("*"));
    check(&["example.com"], "", None);
}

#[test]
fn the_first_of_equal_domains_has_it() {
    let mut table = DomainTable::default();
    table.add(&"A.example".parse().unwrap(), 0);
    table.add(&"a.example".parse().unwrap(), 1);
    assert_eq!(table.find(Some(&"a.example".parse().unwrap())), Some(0));
}

#[test]
fn a_domain_is_shown_as_it_is_written() {
    for text in ALL {
        assert_eq!(text.parse::<Domain>().unwrap().to_string(), *text);
    }
}

#[test]
fn what_is_no_domain_is_refused() {
    let bad = ["", "*x", "*.", "a*b", "*.*.com", "a b", "http://a", "a/b", "u@a", "a:", "a:99999"];
    for text in bad {
        assert_eq!(text.parse::<Domain>(), Err(DomainError(text.into())), "{text}");
    }
}
