//! What a confined child can and cannot do, told by scripts that try.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    os::unix::net::UnixDatagram,
};

use host_types::{Bootstrap, ProcessSettings, Transport};
use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt::set_socket_reuseport};

use crate::support::{Place, child};

/// Runs shell commands as a child; each of them must have been answered as expected.
#[track_caller]
fn check(settings: &ProcessSettings, commands: &[(&str, bool)]) {
    for (command, works) in commands {
        let place = Place::new();
        let text = format!("#!/bin/sh\nif {command}; then exit 40; else exit 41; fi\n");
        let text = place.refusal(&text, settings);
        let code = if *works { 40 } else { 41 };
        assert!(text.contains(&format!("exit code {code} ")), "{command}: {text}");
    }
}

pub(crate) fn a_child_sees_and_reaches_nothing_else() {
    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret");
    fs::write(&secret, "x").unwrap();
    let (secret, outside) = (secret.display(), outside.path().display());
    let host = std::process::id();
    check(
        &child(""),
        &[
            (&format!("cat {secret}"), false),
            (&format!("ls {outside}"), false),
            (&format!("touch {outside}/new"), false),
            (&format!("rm {secret}"), false),
            (&format!("chmod 777 {secret}"), false),
            ("cat /etc/passwd", false),
            ("touch \"$MORTISE_PLUGIN_DIR/new\"", false),
            ("touch /var/new", false),
            (&format!("kill -0 {host}"), false),
            (&format!("cat /proc/{host}/environ"), false),
            (&format!("prlimit --pid {host} --nofile=1"), false),
            ("cp /bin/true \"$TMPDIR/x\" && \"$TMPDIR/x\"", false),
            ("setsid true", false),
            ("setpriv --pdeathsig clear true", false),
            ("setpriv --pdeathsig TERM true", false),
            ("ipcmk -M 4096", false),
            ("ipcmk -Q", false),
            ("ipcmk -S 1", false),
            ("unshare -U true", false),
            ("ulimit -c 1", false),
            ("[ -n \"$HOME$USER$CARGO_TARGET_DIR\" ]", false),
        ],
    );
    assert!(fs::exists(format!("{secret}")).unwrap());
}

pub(crate) fn a_child_has_what_it_needs() {
    let readable = tempfile::tempdir().unwrap();
    let file = readable.path().join("data");
    fs::write(&file, "x").unwrap();
    let mut settings = child("");
    settings.sandbox.read = vec![readable.path().to_owned()];
    settings.environment = vec![("GIVEN".into(), "yes".into())];
    let leaked: Vec<_> = (0..8).map(|_file| rustix::io::dup(std::io::stderr()).unwrap()).collect();
    check(
        &settings,
        &[
            (&format!("cat {}", file.display()), true),
            (&format!("touch {}", file.display()), false),
            ("echo x > \"$TMPDIR/file\" && cat \"$TMPDIR/file\" && rm \"$TMPDIR/file\"", true),
            ("mkdir \"$TMPDIR/d\" && mv \"$TMPDIR/d\" \"$TMPDIR/e\"", true),
            ("cat \"$MORTISE_PLUGIN_DIR/script\" && cat ./script", true),
            ("[ \"$GIVEN$LANG\" = yesC.UTF-8 ]", true),
            ("echo x > /dev/null", true),
            ("head -c 1 /dev/urandom", true),
            ("read line < /proc/self/maps", true),
            // Its standard streams, the socket, the script, and the directory that is listed.
            ("set -- /proc/self/fd/*; [ $# -ge 4 ] && [ $# -le 6 ]", true),
            ("true | true", true),
            ("setpriv --pdeathsig KILL true", true),
        ],
    );
    drop(leaked);
}

pub(crate) fn limits_hold() {
    let place = Place::new();
    let mut settings = child("hungry");
    settings.sandbox.memory_bytes_max = 64 << 20;
    let text = place.load(&place.program(), &settings).unwrap_err().to_string();
    assert!(text.contains("exit code 7 ") && text.contains("no more after"), "{text}");
    settings.sandbox.files_max = 32;
    check(&settings, &[("[ \"$(ulimit -n)\" = 32 ]", true), ("ulimit -n 64", false)]);
    let write = |mib: u32| format!("head -c {mib}M /dev/zero > \"$TMPDIR/file\"");
    check(&child(""), &[(&write(64), true), (&write(65), false), ("ulimit -f unlimited", false)]);
}

pub(crate) fn an_unconfined_child_is_a_choice() {
    let mut settings = child("");
    settings.sandbox.enabled = false;
    check(
        &settings,
        &[
            ("cat /etc/passwd", true),
            ("setsid true", true),
            ("setpriv --pdeathsig clear true", true),
            ("queue=$(ipcmk -Q) && ipcrm -q \"${queue##* }\"", true),
        ],
    );
}

pub(crate) fn sockets_are_what_a_bootstrap_needs() {
    let place = Place::new();
    let go_plugin = Bootstrap::GoPlugin {
        cookie_key: "KEY".into(),
        cookie_value: "value".into(),
        mutual_tls: false,
    };
    let cases = [
        (Bootstrap::Mortise, Transport::Unix, "pair=yes listen=no connect=no tcp=no udp=no"),
        (Bootstrap::Mortise, Transport::Tcp, "pair=yes listen=no connect=no tcp=no udp=no"),
        (go_plugin.clone(), Transport::Unix, "pair=yes listen=yes connect=no tcp=no udp=no"),
        (go_plugin, Transport::Tcp, "pair=yes listen=yes connect=no tcp=yes udp=no"),
    ];
    let foreign = place.directory.path().join("foreign");
    let theirs = UnixDatagram::bind(&foreign).unwrap();
    theirs.set_nonblocking(true).unwrap();
    let came = || std::iter::from_fn(|| theirs.recv(&mut [0]).ok()).count();
    for (bootstrap, transport, expect) in cases {
        let mut settings = ProcessSettings { bootstrap, transport, ..child("curious") };
        settings.environment = vec![("FOREIGN".into(), foreign.to_str().unwrap().into())];
        let text = place.load(&place.program(), &settings).unwrap_err().to_string();
        assert!(text.contains("datagrams=no ") && came() == 0, "{text}");
        assert!(text.contains(expect) && text.contains("netlink=no"), "{expect}: {text}");
        settings.sandbox.enabled = false;
        let text = place.load(&place.program(), &settings).unwrap_err().to_string();
        assert!(text.contains("tcp=yes udp=yes netlink=yes"), "{text}");
        assert!(text.contains("datagrams=yes ") && came() == 2, "{text}");
    }
}

pub(crate) fn a_child_takes_no_port_of_the_proxy() {
    let place = Place::new();
    let go_plugin = Bootstrap::GoPlugin {
        cookie_key: "KEY".into(),
        cookie_value: "value".into(),
        mutual_tls: false,
    };
    // A listener as those of the proxy are: its port can be shared.
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    set_socket_reuseport(&listener, true).unwrap();
    bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
    listen(&listener, 1).unwrap();
    let listener = TcpListener::from(listener);
    let taken = listener.local_addr().unwrap();
    let kept = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = kept.local_addr().unwrap();
    drop(kept);
    let mut settings =
        ProcessSettings { bootstrap: go_plugin, transport: Transport::Tcp, ..child("squatter") };
    settings.environment =
        vec![("TAKEN".into(), taken.to_string().into()), ("FREE".into(), free.to_string().into())];
    let text = place.load(&place.program(), &settings).unwrap_err().to_string();
    assert!(text.contains("shares=no takes=no free=no own=yes any=yes all=no"), "{text}");
    settings.sandbox.enabled = false;
    let text = place.load(&place.program(), &settings).unwrap_err().to_string();
    assert!(text.contains("shares=yes takes=yes free=yes own=yes any=yes all=yes"), "{text}");
    drop(listener);
}
