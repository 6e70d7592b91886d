//! R24: a module and a child reach for what they must not: addresses in all spellings, URLs,
//! services of clouds, names that look like one that is granted.
//!
//! Who was reached is counted at listeners that nobody may reach. Where the machine can, the same
//! proxy runs once more in a network of its own, where the kernel counts every connection that
//! is begun and every datagram that is sent.

use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::{Response, StatusCode};
use tests_support::{Client, Config, Http, Proxy, Upstream, drain, empty, mortise_binary, until};
use tokio::net::TcpListener;

use super::{kills::count, run::Run};
use crate::common::get;

/// Where denials are counted.
const DENIED: &str = "mortise_plugin_denied_total";

/// Listeners on loopback at one port, of both families where there are two.
struct Traps {
    address: SocketAddr,
    caught: Arc<AtomicUsize>,
}

impl Traps {
    async fn start() -> Self {
        let first = TcpListener::bind(("127.0.0.1", 0)).await.expect("a listener");
        let address = first.local_addr().expect("an address");
        let caught = Arc::new(AtomicUsize::new(0));
        let second = TcpListener::bind(("::1", address.port())).await;
        for listener in [Some(first), second.ok()].into_iter().flatten() {
            let caught = Arc::clone(&caught);
            tokio::spawn(async move {
                while listener.accept().await.is_ok() {
                    caught.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self { address, caught }
    }
}

pub(crate) async fn egress(run: &mut Run) {
    let folder = tempfile::tempdir().expect("a folder");
    let traps = Traps::start().await;
    let targets = plugins_attacks::targets(traps.address);
    // It sends whoever asks it elsewhere: the proxy does not go there.
    let location = format!("http://{}/", traps.address);
    let upstream = Upstream::serve(Http::One, move |request| {
        let location = location.clone();
        async move {
            drain(request.into_body()).await?;
            let response = Response::builder().status(StatusCode::FOUND);
            Ok(response.header("location", location).body(empty())?)
        }
    })
    .await;
    let config = config(folder.path(), &targets, &upstream);
    let proxy = Proxy::start(&config).await;
    let mut could = 0;
    let mut client = Client::connect(Http::One, proxy.web()).await;
    for path in ["/granted", "/all", "/child"] {
        let reply = client.ask(get(path, &[])).await;
        run.must(reply.header("x-tried") == "yes", format_args!("{path}: {reply:?}"));
        let words = reply.header("x-could");
        could += usize::from(!words.is_empty());
        run.must(words.is_empty(), format_args!("{path} could {words}"));
    }
    let labels = [("permission", "http_call")];
    let denied = proxy.metrics().await.sum(DENIED, &labels);
    let tried =
        proxy.metrics().await.sum("mortise_plugin_host_calls_total", &[("call", "http_call")]);
    let caught = traps.caught.load(Ordering::SeqCst);
    run.figure("targets", count(targets.len()));
    run.figure("calls_tried", tried);
    run.figure("calls_denied", denied);
    run.figure("ways_that_could", count(could));
    run.figure("connections_outside", count(caught));
    run.figure("connections_to_the_allowed", count(upstream.connections()));
    run.must(targets.len() >= 60, format_args!("{} targets", targets.len()));
    run.must(denied > 0.0, "nothing was denied");
    run.must(caught == 0, format_args!("{caught} connections to what nobody may reach"));
    drop(proxy);
    alone(run, folder.path(), &targets).await;
}

/// In a network of its own: what the kernel counted there.
async fn alone(run: &mut Run, folder: &Path, targets: &[String]) {
    let program = folder.join("alone");
    let script = format!(
        "#!/bin/sh\nexec unshare --net /bin/sh -c \
         'ip link set lo up && exec \"$0\" \"$@\"' '{}' \"$@\"\n",
        mortise_binary().display()
    );
    fs::write(&program, script).expect("written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("made executable");
    if !can_be_alone() {
        println!("SKIPPED: no network of its own can be had here (`unshare --net`)");
        run.figure("alone", 0.0);
        return;
    }
    let module = folder.join("ssrf.wasm");
    let names = serde_json::json!(targets.join("\n"));
    let uses = [("granted", &names), ("all", &names), ("child", &for_child(targets))]
        .map(|(name, config)| format!("  - {{ plugin: {name}, config: {config} }}"));
    let config = Config::new()
        .top(&format!("workers: 1\nservices:\n{}", uses.join("\n")))
        .listener("web", "routes: [{ match: { prefix: / }, respond: { status: 200 } }]")
        .policy("granted", GRANTED)
        .policy("all", ALL)
        .plugin("granted", &module, "policy: granted")
        .plugin("all", &module, "policy: all");
    let config = with_child(config, folder, "");
    let proxy = Proxy::start_program(&program, &config).await;
    let ticked = until("services that tried", async || {
        let metrics = proxy.metrics().await;
        let tried = metrics.sum("mortise_plugin_host_calls_total", &[("call", "http_call")]);
        // The child cannot take an empty name for one of them.
        (tried >= count(targets.len() * 3 - 1)).then_some(tried)
    })
    .await;
    let counted = fs::read_to_string(format!("/proc/{}/net/snmp", proxy.process().id()));
    let counted = counted.expect("the kernel's counters");
    let connections = field(&counted, "Tcp:", "ActiveOpens");
    let datagrams = field(&counted, "Udp:", "OutDatagrams");
    run.figure("alone", 1.0);
    run.figure("alone_calls_tried", ticked);
    run.figure("alone_connections_begun", connections);
    run.figure("alone_datagrams_sent", datagrams);
    run.must(connections == 0.0, format_args!("{connections} connections were begun"));
    run.must(datagrams == 0.0, format_args!("{datagrams} datagrams were sent"));
}

/// True where a network of its own can be had, and its loopback.
fn can_be_alone() -> bool {
    #[expect(clippy::disallowed_methods, reason = "what the machine can is tried")]
    let mut unshare = Command::new("unshare");
    unshare.args(["--net", "ip", "link", "set", "lo", "up"]).stderr(Stdio::null());
    unshare.status().is_ok_and(|status| status.success())
}

/// A counter of the kernel's table: a line of names and one of numbers.
fn field(table: &str, protocol: &str, name: &str) -> f64 {
    let mut lines = table.lines().filter(|line| line.starts_with(protocol));
    let (names, numbers) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let place = names.split_whitespace().position(|word| word == name).expect("a counter");
    let number = numbers.split_whitespace().nth(place).expect("a number");
    number.parse().expect("a number")
}

/// One cluster is granted.
const GRANTED: &str =
    "preset: default\ngrants: [\"http_call:allowed\"]\nlimits: { cpu_ms_per_call: 1000 }";
/// All are: what is no cluster cannot be called all the same.
const ALL: &str = "preset: network\nlimits: { cpu_ms_per_call: 1000 }";

fn config(folder: &Path, targets: &[String], upstream: &Upstream) -> Config {
    let module = folder.join("ssrf.wasm");
    let bytes = plugins_attacks::module("ssrf").expect("a module");
    fs::write(&module, bytes).expect("written");
    let names = serde_json::json!(targets.join("\n"));
    let child = for_child(targets);
    let routes = format!(
        "routes:\n\
         - {{ match: {{ prefix: /granted }}, cluster: allowed, stream_filters: [{{ plugin: granted, config: {names} }}] }}\n\
         - {{ match: {{ prefix: /all }}, cluster: allowed, stream_filters: [{{ plugin: all, config: {names} }}] }}\n\
         - {{ match: {{ prefix: /child }}, cluster: allowed, stream_filters: [{{ plugin: child, config: {child} }}] }}\n"
    );
    let config = Config::new()
        .top("workers: 1")
        .listener("web", &routes)
        .cluster("allowed", upstream.address(), "")
        .policy("granted", GRANTED)
        .policy("all", ALL)
        .plugin("granted", &module, "policy: granted")
        .plugin("all", &module, "policy: all");
    with_child(config, folder, "")
}

/// The targets as the child is told them.
fn for_child(targets: &[String]) -> serde_json::Value {
    format!("ssrf {}", targets.join(" ")).into()
}

/// With the evil child as the plugin `child`: a script that starts the proxy's own program, which
/// it must be able to read. `limits` are those of its policy.
pub(super) fn with_child(config: Config, folder: &Path, limits: &str) -> Config {
    let (program, script) = (mortise_binary().display(), folder.join("child"));
    let text = format!("#!{program} {}\n", plugins_attacks::child::ARGUMENT);
    fs::write(&script, text).expect("written");
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("made executable");
    let policy = format!("preset: default\ngrants: [\"files.read:{program}\"]\n{limits}");
    let lines = format!(
        "policy: child\nprocess: {{ call_timeout_ms: 10000, sandbox: {{ read: [\"{program}\"] }} }}"
    );
    config.policy("child", &policy).plugin_on("process", "child", &script, &lines)
}
