//! Packages: what their manifests ask for.

use std::{
    fs,
    path::{Path, PathBuf},
};

use abi_manifest::{Manifest, Point};
use http::StatusCode;
use tempfile::TempDir;
use tests_support::{Config, Http, Proxy, Upstream, until};

use super::stage::{DENIED, told};
use crate::{
    common::{ask, get},
    matrix::Backend,
};

/// A package of one artifact that asks for `permissions`; of none where that is empty, and the
/// manifest does not have the line.
pub(super) fn package(
    backend: Backend,
    name: &str,
    artifact: &Path,
    permissions: &[&str],
) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let folder = folder.join(format!("policy-{}-{name}", backend.name()));
    fs::create_dir_all(&folder).expect("a directory");
    let file = folder.join("artifact");
    let partial = folder.join(format!("partial-{}", std::process::id()));
    drop(fs::remove_file(&partial));
    if fs::hard_link(artifact, &partial).is_err() {
        fs::copy(artifact, &partial).expect("a copy");
    }
    fs::rename(&partial, &file).expect("the artifact in its place");
    // A rename onto another name of the same file leaves both.
    drop(fs::remove_file(&partial));
    let asks = match permissions {
        [] => String::new(),
        some => format!("permissions = {some:?}\n"),
    };
    let manifest = format!(
        "schema = 1\n{asks}[plugin]\nname = \"it\"\nversion = \"0.1.0\"\n\
         [[provides]]\npoint = \"stream_filter\"\nphases = {STREAM:?}\n\
         [[provides]]\npoint = \"network_filter\"\nphases = {CONNECTION:?}\n\
         [[artifact]]\nbackend = \"{}\"\nfile = \"artifact\"\n",
        backend.word()
    );
    fs::write(folder.join("plugin.toml"), manifest).expect("a manifest");
    folder
}

/// A package of one artifact of an example, with the example's own manifest.
pub(crate) fn of_example(backend: &str, example: &str, artifact: &Path) -> TempDir {
    let example = example.replace('_', "-");
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let file = match backend {
        "wasm" => format!("{example}.wasm"),
        "native" => format!("lib{example}.so"),
        _ => example.clone(),
    };
    fs::copy(artifact, folder.path().join(file)).expect("a copy");
    let manifest = examples().join(example).join("plugin.toml");
    fs::copy(manifest, folder.path().join("plugin.toml")).expect("a manifest");
    folder
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugin-examples")
}

const STREAM: [&str; 7] = [
    "request_headers",
    "request_body",
    "request_trailers",
    "response_headers",
    "response_body",
    "response_trailers",
    "log",
];
const CONNECTION: [&str; 4] = ["new_connection", "downstream_data", "upstream_data", "close"];

#[tokio::test]
async fn a_package_that_asks_for_nothing_gets_nothing_from_whoever_trusts_it() {
    let upstream = Upstream::echo(Http::One).await;
    let lines = "stream_filters: [{ plugin: greet, config: { header: x-who, value: it } }]\n\
        routes: [{ match: { prefix: / }, cluster: app }]";
    let module = tests_fixtures::greet();
    let source = package(Backend::Wasm, "greet", module, &[]);
    let config = |source: &Path| {
        Config::new().listener("web", lines).cluster("app", upstream.address(), "").plugin(
            "greet",
            source,
            "policy: trusted",
        )
    };
    let proxy = Proxy::start(&config(&source)).await;
    let reply = ask(Http::One, proxy.web(), get("/", &[])).await;
    assert_eq!((reply.status, reply.header("x-who")), (StatusCode::OK, ""));
    assert_eq!(reply.echoed("x-who"), <[&str; 0]>::default());
    for permission in ["headers.request.write", "headers.response.write"] {
        let labels = [("plugin", "greet"), ("permission", permission)];
        proxy.until_metric(DENIED, &labels, |count| count == 1.0).await;
    }
    let said = until("what is missing", async || {
        let said = told(&proxy.stderr(), "greet");
        (said.len() == 2).then_some(said)
    })
    .await;
    let missing = "`headers.request.write:x-who` is not allowed: the plugin's plugin.toml does not \
        ask for it: its author adds \"headers.request.write:x-who\" to `permissions`";
    assert_eq!(said[0], missing);

    // The same without a package asks for everything.
    let proxy = Proxy::start(&config(module)).await;
    assert_eq!(ask(Http::One, proxy.web(), get("/", &[])).await.header("x-who"), "it");
}

/// The manifests of all examples, by folder.
fn manifests() -> Vec<(String, PathBuf, Manifest)> {
    let folders = fs::read_dir(examples()).expect("the examples");
    let folders = folders.map(|entry| entry.expect("an example").path());
    let examples = folders.filter(|folder| folder.join("README.md").exists());
    examples
        .map(|folder| {
            let text = fs::read_to_string(folder.join("plugin.toml"));
            let text = text.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            let manifest = Manifest::parse(&text);
            let manifest = manifest.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
            let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
            (name, folder, manifest)
        })
        .collect()
}

#[test]
fn every_example_has_a_manifest_and_its_page_says_what_it_asks_for() {
    let manifests = manifests();
    assert!(manifests.len() >= 17, "{}", manifests.len());
    for (name, folder, manifest) in manifests {
        assert_eq!(manifest.name, name);
        // Who only reads and writes frames may do without the host.
        let is_codec = manifest.provides.iter().all(|provided| provided.point == Point::Codec);
        assert!(is_codec || !manifest.permissions.is_empty(), "{name}: asks for nothing");
        let page = fs::read_to_string(folder.join("README.md")).expect("a page");
        for permission in &manifest.permissions {
            let is_told = page.contains(&format!("`{permission}`"));
            assert!(is_told, "{name}: its page does not say `{permission}`");
        }
    }
}
