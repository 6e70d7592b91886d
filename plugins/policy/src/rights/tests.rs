mod laws;

use super::*;
use crate::Preset;

fn permissions(texts: &[&str]) -> Vec<Permission> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn policy(preset: Preset, grants: &[&str], denials: &[&str]) -> Policy {
    Policy { grants: permissions(grants), denials: permissions(denials), ..Policy::of(preset) }
}

fn rights(preset: Preset, grants: &[&str], denials: &[&str]) -> Rights {
    Rights::new(&policy(preset, grants, denials), None, "own")
}

fn write(name: &str) -> Access<'_> {
    Access::to(Capability::HeadersRequestWrite, name.as_bytes())
}

#[test]
fn what_is_granted_by_a_pattern_is_allowed_for_its_names_only() {
    let rights = rights(Preset::None, &["headers.request.write:x-*", "log"], &[]);
    assert!(rights.allows(write("X-Greeting")) && rights.allows(Access::whole(Capability::Log)));
    assert_eq!(rights.explain(write("accept")), Rule::NotGranted);
    assert_eq!(
        rights.explain(write("x-a")),
        Rule::Grant(&permissions(&["headers.request.write:x-*"])[0])
    );
    assert!(!rights.allows(Access::whole(Capability::Clock)));
    assert!(!rights.allows_all(Capability::HeadersRequestWrite));
}

#[test]
fn a_denial_wins_over_every_grant() {
    let rights =
        rights(Preset::Trusted, &["headers.request.read:cookie"], &["headers.request.read:cookie"]);
    let cookie = Access::to(Capability::HeadersRequestRead, b"Cookie");
    assert_eq!(
        rights.explain(cookie),
        Rule::Denial(&permissions(&["headers.request.read:cookie"])[0])
    );
    assert!(rights.allows(Access::to(Capability::HeadersRequestRead, b"accept")));
}

#[test]
fn what_a_manifest_does_not_ask_for_is_not_given() {
    let asked = permissions(&["headers.request.write:x-*"]);
    let rights = Rights::new(&Policy::of(Preset::Trusted), Some(&asked), "own");
    assert_eq!(rights.explain(write("x-a")), Rule::Preset);
    assert_eq!(rights.explain(write("accept")), Rule::NotAsked);
    assert_eq!(rights.explain(write("host")), Rule::Routing);
}

#[test]
fn fields_that_route_take_the_permission_to_route() {
    assert_eq!(rights(Preset::Default, &[], &[]).explain(write("Host")), Rule::Routing);
    assert!(rights(Preset::Default, &["route"], &[]).allows(write(":authority")));
    assert!(rights(Preset::Trusted, &[], &[]).allows(write(":path")));
    assert!(!rights(Preset::Trusted, &[], &["route"]).allows(write(":path")));
}

#[test]
fn fields_that_frame_must_be_named() {
    let wild = rights(Preset::Default, &["headers.request.write:*"], &[]);
    assert_eq!(wild.explain(write("content-length")), Rule::Framing);
    assert!(rights(Preset::None, &["headers.request.write:te"], &[]).allows(write("TE")));
    assert!(rights(Preset::Trusted, &[], &[]).allows(write("upgrade")));
}

#[test]
fn a_namespace_is_the_own_one_unless_a_pattern_says_others() {
    let read = |name: &'static str| Access::to(Capability::SharedDataRead, name.as_bytes());
    let own = rights(Preset::Default, &[], &[]);
    assert!(own.allows(read("own")) && !own.allows(read("other")));
    let wide = rights(Preset::Trusted, &[], &[]);
    assert!(wide.allows(read("own")) && wide.allows(read("other")));
}

#[test]
fn a_path_grants_what_is_below_it_and_nothing_beside() {
    let rights = rights(Preset::None, &["files.read:/etc/ssl"], &[]);
    let file = |path: &'static str| Access::to(Capability::FilesRead, path.as_bytes());
    assert!(rights.allows(file("/etc/ssl")) && rights.allows(file("/etc/ssl/certs/a.pem")));
    assert!(!rights.allows(file("/etc/ssl2")) && !rights.allows(file("/etc")));
    assert!(!rights.allows(file("/etc/ssl/../shadow")));
}

#[test]
fn a_place_in_which_something_is_denied_is_denied() {
    let file = |path: &'static str| Access::to(Capability::FilesRead, path.as_bytes());
    let denial = "files.read:/etc/secret";
    let check = |denial: &str, path: &'static str, expect: bool| {
        let rights = rights(Preset::Trusted, &[], &[denial]);
        assert_eq!(rights.allows(file(path)), expect, "{path} without {denial}");
    };
    for path in ["/", "/etc", "/etc/", "/etc/secret", "/etc/secret/key", "/etc//secret"] {
        check(denial, path, false);
    }
    for path in ["//etc", "/./etc", "/etc/./secret", "/srv/../etc", "etc"] {
        check(denial, path, false);
    }
    for path in ["/etc/secrets", "/etc/secre", "/srv", "/srv/etc/secret", "/etcetera"] {
        check(denial, path, true);
    }
    check("files.read:/etc//./secret/", "/etc/secret", false);
    check("files.read:/", "/srv", false);
    check("files.read:/srv/../etc", "/var", false);
    check("files.read", "/srv", false);
    check("files.read:*", "/srv", false);
    let rights = rights(Preset::Trusted, &[], &[denial]);
    assert_eq!(rights.explain(file("/etc")), Rule::Denial(&permissions(&[denial])[0]));
}

#[test]
fn a_long_name_is_compared_with_no_pattern_but_by_its_whole_text() {
    let read = |name: &str, granted: &str, denied: &[&str]| {
        let rights = rights(Preset::None, &[&format!("headers.request.read:{granted}")], denied);
        rights.allows(Access::to(Capability::HeadersRequestRead, name.as_bytes()))
    };
    let (short, long) = ("x".repeat(128), "x".repeat(129));
    assert!(read(&short, "x*", &[]) && !read(&long, "x*", &[]));
    assert!(read(&long, &long, &[]) && read(&long, "*", &[]));
    assert!(!read(&long, "*", &["headers.request.read:x*x"]), "denials hold for any name");
    let long = "n".repeat(300);
    let own = Rights::new(&Policy::default(), None, &long);
    assert!(own.allows(Access::to(Capability::SharedDataRead, long.as_bytes())));
}
