//! A codec of MOSN's own, built for MOSN, which the tests of the Wasm backend load as it is. It
//! is part of MOSN's Go module.
//!
//! Where it cannot be fetched its test is skipped, and says so.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::{
    run::{Report, command, root},
    setup::output,
};

/// The release whose module is taken.
const RELEASE: &str = "mosn.io/mosn@v1.6.0";
/// The step's name in the table.
const STEP: &str = "fetch MOSN's codec";

/// Fetches it into `target/plugins`.
pub(crate) fn fetch(report: &mut Report) {
    let module = root().join("target/plugins/mosn-bolt-codec.wasm");
    if module.is_file() {
        println!("MOSN's codec is there");
        return;
    }
    if output(command("go").arg("version")).is_err() {
        return report.skip(STEP, "there is no go (install Go 1.24 or newer)");
    }
    if let Err(error) = copy(&module) {
        report.skip(STEP, &format!("{error:#}"));
    }
}

fn copy(module: &Path) -> Result<()> {
    let plugins = module.parent().context("a folder")?;
    fs::create_dir_all(plugins).context("making target/plugins")?;
    let mut ask = command("go");
    ask.args(["mod", "download", "-json", RELEASE]).current_dir(plugins);
    let told = output(&mut ask).context("go could not fetch it (offline?)")?;
    let told: serde_json::Value = serde_json::from_str(&told).context("reading what go says")?;
    let folder = told.get("Dir").and_then(serde_json::Value::as_str);
    let folder = folder.context("go does not say where it is")?;
    let from = Path::new(folder).join("etc/wasm/bolt-go.wasm");
    fs::copy(&from, module).with_context(|| format!("copying {}", from.display()))?;
    Ok(())
}
