//! Children that are another user than the proxy.

use std::{fs, os::unix::fs::PermissionsExt};

use host_types::{Account, ProcessSettings};
use rustix::process::geteuid;

use crate::support::{Place, child, directories, pid, until};

/// Has no name, and so no rights, anywhere.
const STRANGER: u32 = 54_321;

fn as_stranger(word: &str) -> ProcessSettings {
    let mut settings = child(word);
    settings.sandbox.user = Some(Account::Number(STRANGER));
    settings.sandbox.group = Some(Account::Number(STRANGER + 1));
    settings
}

fn is_root() -> bool {
    let is_root = geteuid().is_root();
    if !is_root {
        println!("SKIPPED: only root makes other users of children");
    }
    is_root
}

#[track_caller]
fn check(settings: &ProcessSettings, commands: &[(&str, bool)]) {
    for (command, works) in commands {
        let place = Place::new();
        place.open_to_all();
        let text = format!("#!/bin/sh\nif {command}; then exit 40; else exit 41; fi\n");
        let text = place.refusal(&text, settings);
        let code = if *works { 40 } else { 41 };
        assert!(text.contains(&format!("exit code {code} ")), "{command}: {text}");
    }
}

pub(crate) fn a_child_may_be_another_user() {
    if !is_root() {
        return;
    }
    let secret = tempfile::tempdir().unwrap();
    let mode = |mode| fs::Permissions::from_mode(mode);
    fs::set_permissions(secret.path(), mode(0o755)).unwrap();
    let (closed, open) = (secret.path().join("closed"), secret.path().join("open"));
    fs::write(&closed, "x").unwrap();
    fs::write(&open, "x").unwrap();
    fs::set_permissions(&closed, mode(0o600)).unwrap();
    let mut settings = as_stranger("");
    settings.sandbox.read = vec![secret.path().to_owned()];
    let (user, group) = (STRANGER, STRANGER + 1);
    check(
        &settings,
        &[
            (&format!("[ $(id -u):$(id -g):$(id -G) = {user}:{group}:{group} ]"), true),
            (&format!("cat {}", open.display()), true),
            // What the sandbox would let it, its user may not.
            (&format!("cat {}", closed.display()), false),
            ("echo x > \"$TMPDIR/file\" && cat \"$TMPDIR/file\"", true),
            ("setpriv --reuid 0 true", false),
            ("setpriv --regid 0 true", false),
            (
                "while read name value; do [ $name = CapEff: ] && [ $value = 0000000000000000 ] \
                 && exit 40; done < /proc/self/status; false",
                true,
            ),
        ],
    );
    // It is bound to the proxy still.
    let place = Place::new();
    place.open_to_all();
    let text = place.refusal("#!/bin/sh\nexec setpriv --dump >&2\n", &settings);
    assert!(text.contains("Parent death signal: KILL"), "{text}");
    // By name, with its own group.
    let mut nobody = child("");
    nobody.sandbox.user = Some(Account::Name("nobody".into()));
    check(&nobody, &[("[ $(id -u) -gt 0 ] && [ $(id -g) -gt 0 ]", true)]);
    // It serves, and leaves nothing.
    let place = Place::new();
    place.open_to_all();
    let loaded = place.load(&place.program(), &as_stranger("good")).unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", pid(&loaded))).unwrap();
    let shown = format!("Uid:\t{user}\t{user}\t{user}\t{user}\n");
    assert!(status.contains(&shown), "{status}");
    assert!(status.contains("Groups:\t \n"), "{status}");
    drop(loaded);
    until("its directory is gone", || directories().is_empty());
}

pub(crate) fn who_cannot_be_or_see_is_refused() {
    let mut unknown = child("good");
    unknown.sandbox.user = Some(Account::Name("no-such-user".into()));
    let place = Place::new();
    let refusal = |settings: &ProcessSettings| {
        place.load(&place.program(), settings).unwrap_err().to_string()
    };
    let text = refusal(&unknown);
    assert!(text.contains("there is no `no-such-user` in /etc/passwd"), "{text}");
    if !geteuid().is_root() {
        let text = refusal(&as_stranger("good"));
        assert!(text.contains("started as root"), "{text}");
        println!("SKIPPED: only root makes other users of children");
        return;
    }
    // The plugin's directory is closed to it.
    fs::set_permissions(place.directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let text = refusal(&as_stranger("good"));
    let expect = format!("user {STRANGER} cannot enter {}", place.directory.path().display());
    assert!(text.contains(&expect) && text.contains("let that user enter it"), "{text}");
}
