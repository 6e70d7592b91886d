use super::*;

fn denying(permission: &str) -> Policy {
    Policy { denials: vec![permission.parse().unwrap()], ..Policy::default() }
}

#[test]
fn what_no_denial_keeps_from_a_child_is_known() {
    for path in ["/usr", "/usr/lib/os-release", "/etc/localtime", "/proc/self/environ"] {
        assert!(is_always_readable(Path::new(path)), "{path}");
    }
    for path in ["/", "/etc", "/etc/passwd", "/usrs", "/proc/1/environ", "/home"] {
        assert!(!is_always_readable(Path::new(path)), "{path}");
    }
}

#[test]
fn a_denial_meets_what_is_readable_from_above_and_from_below() {
    let own = Path::new("/srv/plugins/greet");
    let vain =
        ["files.read", "files.read:*", "files.read:/", "files.read:/etc", "files.read:/usr/lib"];
    for permission in vain {
        assert!(denies_readable(&denying(permission), &[]), "{permission}");
    }
    for permission in ["files.read:/srv", "files.read:/srv/plugins/greet/secret"] {
        assert!(!denies_readable(&denying(permission), &[]), "{permission}");
        assert!(denies_readable(&denying(permission), &[own]), "{permission}");
    }
    for permission in ["files.read:/etc/passwd", "files.read:/srv/plugins/other", "log"] {
        assert!(!denies_readable(&denying(permission), &[own]), "{permission}");
    }
}
