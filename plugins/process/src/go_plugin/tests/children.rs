//! Children that begin well, oddly or badly; `tests/fixtures/children/handshake.sh` has them.

use std::net::{Ipv4Addr, TcpListener};

use super::{
    fake::{Fake, Script, serve},
    *,
};

/// How a case is run.
struct Case {
    name: &'static str,
    transport: Transport,
    timeout: Duration,
    /// The second argument.
    more: String,
    /// True where the server that is here is not the child's.
    is_foreign: bool,
}

fn case(name: &'static str) -> Case {
    Case {
        name,
        transport: Transport::Unix,
        timeout: PATIENCE,
        more: String::new(),
        is_foreign: false,
    }
}

fn handshakes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/children/handshake.sh")
}

async fn run(
    case: Case,
    directory: &Path,
) -> (Process, Result<Started<pipe::Receiver>, GoPluginError>) {
    let wanted = Wanted { transport: case.transport, ..wanted(directory) };
    let preparation = Preparation::new(wanted).unwrap();
    let mut process =
        Process::spawn(&handshakes(), &[case.name, &case.more], &preparation).unwrap();
    let stdout = process.stdout();
    let sink = Written::new().sink();
    // Servers are here, so this process stands for the child.
    let leader = if case.is_foreign { process.child.id() } else { std::process::id() };
    (process, preparation.start(1, leader, stdout, sink, case.timeout).await)
}

/// Runs a child whose server is here.
async fn started(name: &'static str) -> (Process, Fake, Started<pipe::Receiver>) {
    let directory = directory();
    let server = serve(directory.path(), Script::default());
    let (process, outcome) = run(case(name), directory.path()).await;
    (process, server, outcome.unwrap_or_else(|error| panic!("{name}: {error}")))
}

#[track_caller]
fn told(name: &str, error: &GoPluginError, expect: &str) {
    let text = story(error);
    assert!(text.contains(expect), "{name}: {text}");
    assert!(text.len() < 1024 && !text.contains(char::is_control), "{name}: {text:?}");
}

/// Runs a child that is refused, and is so long before its time is over.
async fn refused(case: Case, expect: &str) -> GoPluginError {
    let name = case.name;
    let directory = directory();
    let begun = Instant::now();
    let (_process, outcome) = run(case, directory.path()).await;
    let error = outcome.map(|_| ()).expect_err(name);
    told(name, &error, expect);
    assert!(begun.elapsed() < PATIENCE / 2, "{name} took {:?}", begun.elapsed());
    error
}

#[tokio::test]
async fn handshakes_that_differ_in_what_does_not_matter_are_followed() {
    for name in ["plain", "five-fields", "seventh-field", "carriage-return", "in-pieces"] {
        let (_process, _server, started) = started(name).await;
        assert!(started.reach.tls.is_none() && started.reach.token.is_none(), "{name}");
    }
}

#[tokio::test]
async fn what_is_printed_behind_the_handshake_is_left_to_read() {
    let (_process, _server, mut started) = started("talks-on").await;
    let mut line = String::new();
    tokio::io::AsyncBufReadExt::read_line(&mut started.stdout, &mut line).await.unwrap();
    assert_eq!(line, "and one thing more\n");
}

#[tokio::test]
async fn another_version_or_protocol_is_refused() {
    let refusals = [
        ("core-version", "core protocol 2; version 1 is needed", true),
        ("app-version", "serves version 7 of the plugin protocol; version 1 is needed", true),
        ("netrpc", "serves the protocol `netrpc`; grpc is needed", true),
        ("four-fields", "serves the protocol `netrpc`; grpc is needed", true),
        ("udp", "network `udp`; unix or tcp is needed", false),
        ("certificate", "showed a certificate, but the configuration does not ask", true),
        ("certificate-garbage", "its certificate is not base64", false),
    ];
    for (name, expect, last) in refusals {
        assert_eq!(refused(case(name), expect).await.is_final(), last, "{name}");
    }
}

#[tokio::test]
async fn an_address_that_is_not_the_childs_own_is_refused() {
    let outside = "not in the directory that PLUGIN_UNIX_SOCKET_DIR names";
    refused(case("elsewhere"), outside).await;
    refused(case("upwards"), "leads upwards").await;
    refused(case("link"), "is refused: it is not a socket").await;
    refused(case("file"), "is refused: it is not a socket").await;
    let tcp = |name| Case { transport: Transport::Tcp, ..case(name) };
    refused(tcp("tcp-elsewhere"), "192.0.2.1:80 is refused: it is not loopback").await;
    refused(tcp("tcp-no-port"), "it has no port").await;
    refused(case("tcp"), "listens on TCP, but the configuration says `transport: unix`").await;
    let expect = "listens on a Unix socket, but the configuration says `transport: tcp`";
    assert!(refused(tcp("plain"), expect).await.is_final());
}

#[tokio::test]
async fn what_is_printed_instead_of_a_handshake_is_told() {
    refused(case("greeting"), "`Hello! Listening on port 1234.` is no handshake").await;
    refused(case("noise"), "bad handshake: `\\u{1}\\xff\\u{1b}[2J|\\x80|`").await;
    refused(case("flood"), "`the same again` is no handshake").await;
    refused(case("long"), "a line of more than 16384 bytes, it printed `xxx").await;
}

#[tokio::test]
async fn a_child_that_ends_or_closes_its_output_is_noticed_at_once() {
    let expect = "ended without a handshake: is the cookie the one that it knows?";
    refused(case("dies"), expect).await;
    refused(case("closes"), expect).await;
    refused(case("not-started-by-a-host"), expect).await;
    refused(case("dies-half-way"), "without a handshake, it printed `1|1|un`").await;
}

#[tokio::test]
async fn a_child_that_does_not_come_to_the_end_of_its_line_is_given_up() {
    let slow = |name| Case { timeout: Duration::from_millis(1500), ..case(name) };
    refused(slow("never"), "printed no handshake within 1.5s, it printed nothing").await;
    refused(slow("no-end"), "printed no handshake within 1.5s, it printed `1|1|unix|/").await;
    refused(slow("drip"), "printed no handshake within 1.5s, it printed `1").await;
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_tried_until_the_time_is_over() {
    let soon = Duration::from_millis(1500);
    let missing = Case { timeout: soon, ..case("nobody") };
    let error = refused(missing, "plugin.sock: No such file or directory").await;
    assert!(matches!(error, GoPluginError::Unreachable { .. }), "{error:?}");
    // A port that nobody else gets as long as it is bound, and nobody listens on.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let more = socket.local_addr().unwrap().port().to_string();
    let deaf = Case { timeout: soon, transport: Transport::Tcp, more, ..case("tcp") };
    let error = refused(deaf, "Connection refused").await;
    assert!(!error.is_final());
}

#[tokio::test]
async fn a_child_that_accepts_and_says_nothing_is_given_up() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let more = listener.local_addr().unwrap().port().to_string();
    let timeout = Duration::from_millis(1500);
    let silent = Case { timeout, transport: Transport::Tcp, more, ..case("tcp") };
    refused(silent, "did not answer its health check within 1.5s").await;
}

#[tokio::test]
async fn a_port_that_another_process_listens_at_is_refused_at_once() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let more = listener.local_addr().unwrap().port().to_string();
    let foreign = Case { transport: Transport::Tcp, more, is_foreign: true, ..case("tcp") };
    refused(foreign, "the socket that listens there is not the child's").await;
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "it was spoken to");
}
