//! The conformance kit against Envoy: how many of its cases Envoy does in another way. That is
//! worth knowing, and no failure of ours.

use std::{fs, net::TcpStream, path::Path};

use anyhow::{Context, Result};
use serde_json::Value;

use super::run;
use crate::{
    check::free_ports,
    proxy::{Proxy, binary},
    run::{command, shown},
    setup::output,
};

/// Runs all cases and prints how many there are, and which are not as Envoy has them.
pub(crate) fn count(folder: &Path) -> Result<()> {
    let (probe, config) = (folder.join("probe.wasm"), folder.join("conformance.yaml"));
    output(command(binary()).args(["conformance", "probe", "--out"]).arg(&probe))?;
    let ((http, bytes), (web, tcp), (admin, _)) = (free_ports()?, free_ports()?, free_ports()?);
    let mut serve = command(binary());
    serve.args(["conformance", "upstream", "--http", &http.to_string()]);
    serve.args(["--tcp", &bytes.to_string()]);
    let mut upstream = Proxy::launch(serve, Some(&folder.join("conformance-upstream.log")))?;
    upstream
        .wait_until(|| TcpStream::connect(http).is_ok() && TcpStream::connect(bytes).is_ok())?;
    let mut write = command(binary());
    write.args(["conformance", "envoy-config", "--probe"]).arg(&probe);
    write.args(["--upstream", &http.to_string(), "--upstream-tcp", &bytes.to_string()]);
    write.args(["--http-port", &web.port().to_string(), "--tcp-port", &tcp.port().to_string()]);
    let mut text = output(&mut write)?;
    let (ip, port) = (admin.ip(), admin.port());
    text.push_str(&format!(
        "\nadmin: {{ address: {{ socket_address: {{ address: {ip}, port_value: {port} }} }} }}\n"
    ));
    fs::write(&config, text)?;
    let log = config.with_extension("log");
    let _envoy = Proxy::spawn(run(&config), admin, "/ready", Some(&log))?;
    let mut cases = command(binary());
    cases.args(["conformance", "run", "--output", "json", "--url", &format!("http://{web}")]);
    cases.args(["--tcp", &tcp.to_string()]);
    println!("$ {}", shown(&cases));
    // Its exit code says that cases failed, which is what is to be counted.
    let said = cases.output()?.stdout;
    fs::write(folder.join("conformance.json"), &said)?;
    tell(&serde_json::from_slice(&said).context("what the kit says is no JSON")?)
}

fn tell(report: &Value) -> Result<()> {
    let cases = report["cases"].as_array().context("the kit has no cases")?;
    let differs = |case: &&Value| case["status"] != "passed";
    let differing = cases.iter().filter(differs).count();
    println!(
        "Envoy does {differing} of the {} conformance cases in another way; which ones is in \
         target/envoy/conformance.json",
        cases.len()
    );
    for case in cases.iter().filter(differs).take(20) {
        println!("  {}", case["name"].as_str().unwrap_or_default());
    }
    Ok(())
}
