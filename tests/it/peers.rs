//! Real clients and servers of RPC protocols around the proxy: libraries that are not ours, for
//! Node and for Java, before and behind it. What a client is told through the proxy is what it is
//! told without it; and what the proxy itself says, it says in the protocol's words.
//!
//! `tests/fixtures/peers/README.md` says what the clients call. Start reading at [`Pair`].

use std::net::SocketAddr;

use serde_json::{Value, json};
use tests_support::{Config, Peer, Proxy, RawUpstream};

/// A client and a server of one protocol.
struct Pair {
    peer: Peer,
    server: &'static str,
    client: &'static str,
    /// The protocol, as the configuration names it.
    protocol: &'static str,
    /// The calls that must come to this, whatever stands between.
    right: &'static [(&'static str, &'static str)],
    /// The calls that must fail.
    wrong: &'static [&'static str],
}

const SOFA_FOR_NODE: Pair = Pair {
    peer: Peer::Node,
    server: "bolt",
    client: "bolt",
    protocol: "bolt",
    right: &[("say", "\"hello\""), ("plus", "3"), ("many", "200"), ("large", "true")],
    wrong: &["fail", "slow", "nobody"],
};

const DUBBO_FOR_NODE: Pair =
    Pair { server: "dubbo", client: "dubbo", protocol: "dubbo", ..SOFA_FOR_NODE };

const DUBBO2_FOR_NODE: Pair = Pair {
    client: "dubbo2",
    right: &[("say", "\"hello\""), ("plus", "3"), ("many", "200")],
    wrong: &["fail"],
    ..DUBBO_FOR_NODE
};

const TARS_FOR_NODE: Pair = Pair {
    server: "tars",
    client: "tars",
    protocol: "tars",
    right: &[("say", "[7,\"hello-one\",\"hello-two\"]"), ("many", "200")],
    wrong: &[],
    ..SOFA_FOR_NODE
};

const SOFA_FOR_JAVA: Pair =
    Pair { peer: Peer::Java, server: "sofa", client: "sofa", ..SOFA_FOR_NODE };

const DUBBO_FOR_JAVA: Pair =
    Pair { server: "dubbo", client: "dubbo", protocol: "dubbo", ..SOFA_FOR_JAVA };

const BOLT_FOR_JAVA: Pair = Pair {
    server: "bolt",
    client: "bolt",
    right: &[("say", "\"hello\""), ("oneway", "\"sent\""), ("many", "200"), ("large", "true")],
    wrong: &["fail"],
    ..SOFA_FOR_JAVA
};

impl Pair {
    /// Everything to the server, by way of a filter that writes a header field on both sides where
    /// `edits` says so.
    fn config(&self, server: SocketAddr, edits: bool) -> Config {
        let filters = if edits {
            "\nstream_filters: [{ plugin: greet, config: { header: x-greeting, value: hello } }]"
        } else {
            ""
        };
        let routes = "routes: [{ match: { prefix: / }, cluster: app }]";
        let listener = format!("protocol: {}\n{routes}{filters}", self.protocol);
        let config = Config::new().top("workers: 1").listener("web", &listener);
        let config = config.cluster("app", server, "");
        if edits { config.plugin("greet", tests_fixtures::greet(), "") } else { config }
    }

    async fn calls(&self, server: SocketAddr) -> Vec<Value> {
        self.peer.client(self.client, server).await
    }

    fn check(&self, calls: &[Value], what: &str) {
        for (call, expected) in self.right {
            let told = told(calls, call);
            let key = if *call == "many" { "right" } else { "result" };
            let expected: Value = serde_json::from_str(expected).expect("a value");
            assert_eq!(told[key], expected, "{what}: {told}");
        }
        for call in self.wrong {
            assert!(told(calls, call)["error"].is_string(), "{what}: {}", told(calls, call));
        }
    }

    /// The same calls without the proxy, through it, and through it with changed header fields.
    async fn is_told_the_same_through_the_proxy(&self) {
        if !self.peer.is_there() {
            return;
        }
        let server = self.peer.server(self.server).await;
        let direct = self.calls(server.address()).await;
        self.check(&direct, "without a proxy");
        for edits in [false, true] {
            let what = if edits { "with changed fields" } else { "through the proxy" };
            let proxy = Proxy::start(&self.config(server.address(), edits)).await;
            let through = self.calls(proxy.web()).await;
            self.check(&through, what);
            for call in self.wrong.iter().filter(|call| **call != "slow") {
                assert_eq!(error(&through, call), error(&direct, call), "{what}");
            }
            self.check_numbers(&proxy, through.len()).await;
        }
    }

    /// What the proxy counted: a stream for each call, none of them malformed or left behind.
    async fn check_numbers(&self, proxy: &Proxy, calls: usize) {
        let metrics = proxy.metrics().await;
        let many = if told_of_many(self.right) { 199 } else { 0 };
        let least = f64::from(u32::try_from(calls + many).expect("a number"));
        let counted = metrics.sum("mortise_rpc_frames_total", &[("protocol", self.protocol)]);
        assert!(counted >= least, "{counted} frames for {least} calls");
        assert_eq!(metrics.sum("mortise_rpc_malformed_total", &[]), 0.0);
    }

    /// Nobody listens behind the proxy: each call fails, and says so at once.
    async fn is_told_that_nobody_listens(&self) {
        if !self.peer.is_there() {
            return;
        }
        let nobody = RawUpstream::refused().await;
        let proxy = Proxy::start(&self.config(nobody, false)).await;
        let calls = self.calls(proxy.web()).await;
        // Nobody is told what becomes of what is not answered.
        let answered = |call: &str| !["many", "oneway"].contains(&call);
        for (call, _answer) in self.right.iter().filter(|(call, _answer)| answered(call)) {
            let error = error(&calls, call).to_lowercase();
            let words = ["timeoutexception", "command timeout", "timed out", "no response"];
            let late = words.iter().any(|word| error.contains(word));
            assert!(!late, "{call}: {error}");
        }
        if told_of_many(self.right) {
            assert_eq!(told(&calls, "many")["right"], json!(0));
        }
    }
}

fn told_of_many(right: &[(&str, &str)]) -> bool {
    right.iter().any(|(call, _answer)| *call == "many")
}

fn told<'a>(calls: &'a [Value], call: &str) -> &'a Value {
    let told = calls.iter().find(|told| told["call"] == call);
    told.unwrap_or_else(|| panic!("nothing was told of {call}: {calls:#?}"))
}

/// An error without its numbers: they are ports, times and ids.
fn error(calls: &[Value], call: &str) -> String {
    let told = told(calls, call);
    let text = told["error"].as_str().unwrap_or_else(|| panic!("no error: {told}"));
    text.replace(|one: char| one.is_ascii_digit(), "")
}

#[tokio::test]
async fn sofa_rpc_for_node_is_told_the_same_through_the_proxy() {
    SOFA_FOR_NODE.is_told_the_same_through_the_proxy().await;
}

#[tokio::test]
async fn dubbo_for_node_is_told_the_same_through_the_proxy() {
    DUBBO_FOR_NODE.is_told_the_same_through_the_proxy().await;
    DUBBO2_FOR_NODE.is_told_the_same_through_the_proxy().await;
}

#[tokio::test]
async fn tars_for_node_is_told_the_same_through_the_proxy() {
    TARS_FOR_NODE.is_told_the_same_through_the_proxy().await;
}

#[tokio::test]
async fn sofa_rpc_for_java_is_told_the_same_through_the_proxy() {
    SOFA_FOR_JAVA.is_told_the_same_through_the_proxy().await;
}

#[tokio::test]
async fn dubbo_for_java_is_told_the_same_through_the_proxy() {
    DUBBO_FOR_JAVA.is_told_the_same_through_the_proxy().await;
}

#[tokio::test]
async fn bolt_for_java_is_told_the_same_in_each_version_through_the_proxy() {
    BOLT_FOR_JAVA.is_told_the_same_through_the_proxy().await;
    for client in ["bolt2", "bolt2crc"] {
        Pair { client, ..BOLT_FOR_JAVA }.is_told_the_same_through_the_proxy().await;
    }
}

#[tokio::test]
async fn clients_for_node_are_told_that_nobody_listens() {
    for pair in [SOFA_FOR_NODE, DUBBO_FOR_NODE, TARS_FOR_NODE] {
        pair.is_told_that_nobody_listens().await;
    }
}

#[tokio::test]
async fn clients_for_java_are_told_that_nobody_listens() {
    for pair in [SOFA_FOR_JAVA, BOLT_FOR_JAVA, DUBBO_FOR_JAVA] {
        pair.is_told_that_nobody_listens().await;
    }
}
