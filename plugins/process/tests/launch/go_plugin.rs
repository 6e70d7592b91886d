//! Children that were written for go-plugin, launched and confined as all are. What they print
//! is in `tests/fixtures/children/handshake.sh`.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use host_types::{Bootstrap, ProcessSettings};

use crate::support::{Place, child, children, directories, now};

fn handshakes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/children/handshake.sh")
}

fn settings(case: &str, start_timeout: Duration) -> ProcessSettings {
    ProcessSettings {
        arguments: vec![case.into()],
        bootstrap: Bootstrap::GoPlugin {
            cookie_key: "COOKIE".into(),
            cookie_value: "crumbs".into(),
            mutual_tls: false,
        },
        start_timeout,
        ..child("")
    }
}

/// Runs a case that is refused: the words, the time, and that nothing is left.
#[track_caller]
fn check(place: &Place, settings: &ProcessSettings, at_most: Duration, expect: &[&str]) {
    let begun = now();
    let error = place.load(&handshakes(), settings).expect_err("it is refused");
    let (took, text) = (begun.elapsed(), error.to_string());
    for expect in expect {
        assert!(text.contains(expect), "`{expect}` is not in: {text}");
    }
    assert!(took < at_most, "{took:?}: {text}");
    assert_eq!((children(), directories()), (vec![], vec![]), "{text}");
}

pub(crate) fn a_bad_handshake_is_refused_at_once() {
    let place = Place::new();
    let cases: [(&str, &[&str]); 12] = [
        ("core-version", &["core protocol 2"]),
        ("app-version", &["version 7 of the plugin protocol"]),
        ("netrpc", &["protocol `netrpc`"]),
        ("elsewhere", &["/run/docker.sock is refused"]),
        ("tcp", &["listens on TCP", "`transport: unix`"]),
        ("certificate", &["does not ask for mutual TLS"]),
        ("greeting", &["`Hello! Listening on port 1234.` is no handshake"]),
        ("noise", &["is no handshake"]),
        ("long", &["more than 16384 bytes"]),
        ("flood", &["is no handshake"]),
        ("closes", &["is the cookie the one that it knows?"]),
        ("not-started-by-a-host", &["exit code 1", "not meant to be run by hand"]),
    ];
    for (case, expect) in cases {
        let patient = Duration::from_secs(20);
        check(&place, &settings(case, patient), patient / 2, expect);
    }
}

pub(crate) fn a_handshake_that_does_not_come_is_given_up_in_time() {
    let place = Place::new();
    let cases: [(&str, &[&str]); 4] = [
        ("never", &["no handshake within", "it printed nothing"]),
        ("no-end", &["no handshake within", "it printed `1|1|unix|"]),
        ("drip", &["no handshake within", "it printed `1"]),
        ("nobody", &["it cannot be reached at", "No such file or directory"]),
    ];
    for (case, expect) in cases {
        let brief = Duration::from_millis(1200);
        check(&place, &settings(case, brief), brief + Duration::from_secs(3), expect);
    }
}
