//! The conformance kit against Envoy: how many of its cases Envoy does in another way. That is
//! worth knowing, and no failure of ours.
//!
//! Cases go function by function, each with an Envoy of its own: the probe tells only once what
//! it saw at its start, and a case may end Envoy. Start reading at [`count`].

use std::{
    collections::BTreeMap,
    fs,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::run;
use crate::{
    check::free_ports,
    proxy::{Proxy, binary},
    run::{command, shown},
    setup::output,
};

/// How many names the terminal gets; all are in the file.
const NAMES_MAX: usize = 60;

/// Runs all cases and prints how many there are, and which are not as Envoy has them.
pub(crate) fn count(folder: &Path) -> Result<()> {
    let mut bench = Bench::new(folder)?;
    let mut cases = BTreeMap::new();
    for function in functions()? {
        for case in bench.cases(&format!("{function}/"))? {
            let name = case.get("name").and_then(Value::as_str).unwrap_or_default();
            cases.insert(name.to_owned(), case);
        }
    }
    let file = folder.join("conformance.json");
    let all: Vec<&Value> = cases.values().collect();
    fs::write(&file, serde_json::to_vec_pretty(&json!({ "cases": all }))?)?;
    tell(&cases, bench.ended);
    Ok(())
}

fn tell(cases: &BTreeMap<String, Value>, ended: usize) {
    let differing: Vec<&String> =
        cases.iter().filter(|(_, case)| !passed(case)).map(|(name, _)| name).collect();
    println!(
        "Envoy does {} of {} conformance cases in another way, and crashed in {}; all \
         are in target/envoy/conformance.json",
        differing.len(),
        cases.len(),
        ended
    );
    for name in differing.iter().take(NAMES_MAX) {
        println!("  {name}");
    }
}

fn passed(case: &Value) -> bool {
    case.get("status").and_then(Value::as_str) == Some("passed")
}

/// What cases are about: the first part of their names.
fn functions() -> Result<Vec<String>> {
    let table = output(command(binary()).args(["conformance", "run", "--coverage"]))?;
    let rows = table.lines().skip_while(|line| !line.starts_with(' ')).skip(1);
    Ok(rows.filter_map(|row| Some(row.split_once("  ")?.0.to_owned())).collect())
}

/// Envoy with the probe in it, and the upstream that the cases need.
struct Bench {
    config: PathBuf,
    web: SocketAddr,
    tcp: SocketAddr,
    admin: SocketAddr,
    /// How often Envoy ended before it was told to.
    ended: usize,
    _upstream: Proxy,
}

impl Bench {
    fn new(folder: &Path) -> Result<Self> {
        let (probe, config) = (folder.join("probe.wasm"), folder.join("conformance.yaml"));
        output(command(binary()).args(["conformance", "probe", "--out"]).arg(&probe))?;
        let ((http, bytes), (web, tcp), (admin, _)) = (free_ports()?, free_ports()?, free_ports()?);
        let mut serve = command(binary());
        serve.args(["conformance", "upstream", "--http", &http.to_string()]);
        serve.args(["--tcp", &bytes.to_string()]);
        let mut upstream = Proxy::launch(serve, Some(&folder.join("conformance-upstream.log")))?;
        let open = |address: SocketAddr| TcpStream::connect(address).is_ok();
        upstream.wait_until(|| open(http) && open(bytes))?;
        let mut write = command(binary());
        write.args(["conformance", "envoy-config", "--probe"]).arg(&probe);
        write.args(["--upstream", &http.to_string(), "--upstream-tcp", &bytes.to_string()]);
        write.args(["--http-port", &web.port().to_string(), "--tcp-port", &tcp.port().to_string()]);
        let (mut text, ip, port) = (output(&mut write)?, admin.ip(), admin.port());
        text.push_str(&format!(
            "\nadmin: {{ address: {{ socket_address: {{ address: {ip}, port_value: {port} }} }} }}\n"
        ));
        fs::write(&config, text)?;
        Ok(Self { config, web, tcp, admin, ended: 0, _upstream: upstream })
    }

    /// Runs the cases whose names hold `filter`, against a fresh Envoy.
    fn cases(&mut self, filter: &str) -> Result<Vec<Value>> {
        let log = self.config.with_extension("log");
        let mut envoy = Proxy::spawn(run(&self.config), self.admin, "/ready", Some(&log))?;
        let mut cases = command(binary());
        cases.args(["conformance", "run", "--output", "json", "--filter", filter]);
        cases.args(["--url", &format!("http://{}", self.web), "--tcp", &self.tcp.to_string()]);
        // Its exit code says that cases failed, which is what is to be counted.
        let said = cases.output()?.stdout;
        self.ended += usize::from(envoy.ended()?.is_some());
        let report: Value = serde_json::from_slice(&said)
            .with_context(|| format!("what this says is no JSON: {}", shown(&cases)))?;
        Ok(report.get("cases").and_then(Value::as_array).cloned().unwrap_or_default())
    }
}
