use std::{
    io::{Read as _, Write as _},
    process::{Command, Stdio},
};

use rustix::process::getpid;

use super::*;

#[test]
fn a_process_is_read_whatever_its_name_is() {
    let pid = Pid::from_raw(42).unwrap();
    let fields = "S 1 41 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 10";
    let expected = Seen { pid, state: b'S', threads: 1, group: 41, session: 40, started: 98765 };
    for name in ["sh", "a b", "x) Z 9 9 9", ") R 1 (", "\u{fffd}"] {
        let stat = format!("42 ({name}) {fields}");
        assert_eq!(Seen::parse(pid, &stat), Some(expected), "{stat}");
    }
    let first_ended = format!("42 (sh) {}", fields.replacen('S', "Z", 1));
    assert!(!Seen::parse(pid, &first_ended).unwrap().lives());
    let others_live = first_ended.replace("20 0 1 0", "20 0 2 0");
    assert!(Seen::parse(pid, &others_live).unwrap().lives());
    for broken in ["", "42 (sh", "42 (sh) ", "42 (sh) S 1 x 40", "42 (sh) S 1 41 40 0"] {
        assert_eq!(Seen::parse(pid, broken), None, "{broken}");
    }
}

#[test]
fn starts_and_now_are_counted_alike() {
    let own = Seen::look(getpid()).unwrap();
    assert!(own.lives() && !own.is_still());
    assert!(own.started <= now(), "{own:?}");
    // This test did not begin a day ago.
    assert!(now() - own.started < 86_400 * TICKS, "{own:?}");
    assert!(all().any(|seen| seen.pid == own.pid));
}

#[test]
fn only_the_path_itself_and_what_lies_beneath_is_a_mark() {
    let path = Path::new("/run/mortise-1-x/1");
    let check = |variable: &str, expect: bool| {
        assert_eq!(names(variable.as_bytes(), path), expect, "{variable}");
    };
    check("TMPDIR=/run/mortise-1-x/1", true);
    check("OTHER=/run/mortise-1-x/1/socket", true);
    check("TMPDIR=/run/mortise-1-x/10", false);
    check("TMPDIR=/run/mortise-1-x", false);
    check("TMPDIR=a/run/mortise-1-x/1", false);
    check("/run/mortise-1-x/1", false);
    check("", false);
}

#[test]
fn a_process_that_is_held_is_stopped_and_killed_and_no_other() {
    #[expect(clippy::disallowed_methods, reason = "a process to be killed")]
    let mut command = Command::new("cat");
    command.env("MARK", "/a/mark").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It is started when it answers: before, the kernel may not show its environment yet.
    child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let seen = Seen::look(pid).unwrap();
    assert!(seen.was_given(Path::new("/a/mark")) && seen.was_given(Path::new("/a")));
    assert!(!seen.was_given(Path::new("/a/ma")));
    let another = Seen { started: seen.started + 1, ..seen };
    assert!(Held::take(&another).is_none(), "it is not the one that was seen");
    let held = Held::take(&seen).unwrap();
    assert!(held.stop());
    assert!(Seen::look(pid).unwrap().is_still());
    held.kill();
    child.wait().unwrap();
    assert!(!held.stop());
    held.kill();
    assert!(Held::take(&seen).is_none());
}
