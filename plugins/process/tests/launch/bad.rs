//! Children that do not get ready: each is told of in words, in time, and leaves nothing.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use host_types::ProcessSettings;

use crate::support::{Place, child, children, directories, now, open_files};

/// Loads what does not get ready, checks the words, and that nothing is left.
#[track_caller]
fn check(place: &Place, script: &str, settings: &ProcessSettings, expect: &[&str]) {
    let before = open_files();
    let text = place.refusal(script, settings);
    assert!(text.starts_with("load_failed: "), "{text}");
    for expect in expect {
        assert!(text.contains(expect), "`{expect}` is not in: {text}");
    }
    assert_eq!((children(), directories()), (vec![], vec![]), "{text}");
    assert!(open_files() <= before + 8, "{} {}", open_files(), before);
}

fn brief() -> ProcessSettings {
    ProcessSettings { start_timeout: Duration::from_millis(400), ..child("") }
}

pub(crate) fn a_silent_child_is_given_up_in_time() {
    let place = Place::new();
    for script in ["#!/bin/sh\nexec sleep 600\n", "#!/bin/sh\ntrap '' TERM\nwhile :; do :; done\n"]
    {
        let begun = now();
        check(&place, script, &brief(), &["did not answer within 400ms", "start_timeout"]);
        assert!(begun.elapsed() < Duration::from_millis(1400), "{:?}", begun.elapsed());
    }
}

pub(crate) fn a_child_that_ends_says_how_and_why() {
    let place = Place::new();
    let cases: [(&str, &[&str]); 4] = [
        (
            "#!/bin/sh\necho oh >&2\necho no\nexit 3\n",
            &["it ended with exit code 3 before it was ready", "last lines: ", "oh", "no"],
        ),
        ("#!/bin/sh\nexit 0\n", &["it ended with exit code 0"]),
        ("#!/bin/sh\nkill -SEGV $$\n", &["it ended by SIGSEGV"]),
        ("#!/bin/sh\nnothing-of-that-name\n", &["exit code 127 (a command was not found)"]),
    ];
    for (script, expect) in cases {
        check(&place, script, &child(""), expect);
    }
}

pub(crate) fn what_cannot_run_is_refused_in_words() {
    let place = Place::new();
    check(&place, "hello", &child(""), &["neither an ELF program nor a script"]);
    check(&place, "", &child(""), &["empty"]);
    check(&place, "#!/no/such/interpreter\n", &child(""), &["its interpreter is not there"]);
    let path = place.script("#!/bin/sh\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let text = place.load(&path, &child("")).unwrap_err().to_string();
    assert!(text.contains("it may not be executed"), "{text}");
    let mut settings = child("");
    settings.arguments = vec!["x".repeat(200_000).into()];
    check(&place, "#!/bin/sh\n", &settings, &["too long"]);
    settings = child("");
    settings.sandbox.read = vec!["/no/such/place".into()];
    check(&place, "#!/bin/sh\n", &settings, &["cannot allow reading /no/such/place"]);
}

pub(crate) fn noise_is_no_answer() {
    let place = Place::new();
    place.program();
    let script = "#!/bin/sh\nexec ./plugin child noisy\n";
    check(&place, script, &child(""), &["it does not speak the protocol of plugins"]);
}

pub(crate) fn another_version_is_refused() {
    let place = Place::new();
    place.program();
    let script = "#!/bin/sh\nexec ./plugin child old\n";
    check(&place, script, &child(""), &["it speaks version 0 of the protocol, and not 1"]);
}

pub(crate) fn a_flood_of_lines_is_bounded() {
    let place = Place::new();
    let cases = [
        ("while :; do echo 'a line of the flood' >&2; done", "a line of the flood"),
        ("exec yes evil >&2", "its last lines: evil | evil"),
        ("exec yes evil", "its last lines: evil | evil"),
        ("exec cat /dev/zero >&2", "did not answer"),
    ];
    for (script, said) in cases {
        let begun = now();
        let script = format!("#!/bin/sh\n{script}\n");
        check(&place, &script, &brief(), &["did not answer within 400ms", said]);
        assert!(begun.elapsed() < Duration::from_millis(1400), "{script}: {:?}", begun.elapsed());
    }
}
