use host_extension::ExtensionPoint;

use super::*;

fn found(cache: &WasmCache, variables: &[(&str, &str)]) -> Option<String> {
    let variable = |name: &str| {
        let found = variables.iter().find(|(known, _value)| *known == name)?;
        Some(PathBuf::from(found.1))
    };
    cache_dir(cache, variable).map(|path| path.display().to_string())
}

#[test]
fn compiled_modules_are_kept_where_the_user_keeps_such_things() {
    let default = WasmCache::Default;
    let home = ("HOME", "/home-of-u");
    assert_eq!(found(&default, &[home]).as_deref(), Some("/home-of-u/.cache/mortise/wasm"));
    let named = ("XDG_CACHE_HOME", "/fast");
    assert_eq!(found(&default, &[home, named]).as_deref(), Some("/fast/mortise/wasm"));
    let relative = ("XDG_CACHE_HOME", "fast");
    let kept = found(&default, &[home, relative]);
    assert_eq!(kept.as_deref(), Some("/home-of-u/.cache/mortise/wasm"), "as if it were not set");
    assert_eq!(found(&default, &[]), None);
    assert_eq!(found(&WasmCache::Off, &[home, named]), None);
    let directory = WasmCache::Directory("/d".into());
    assert_eq!(found(&directory, &[home]).as_deref(), Some("/d"));
}

#[test]
fn guests_of_streams_have_places_beside_those_of_all_uses() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("p.wasm"), "").expect("a file");
    let settings = |isolation: &str| {
        let text = format!(
            "listeners:
  - {{ address: '127.0.0.1:1', routes: [{{ match: {{ prefix: / }}, cluster: app }}] }}
clusters: [{{ name: app, endpoints: ['127.0.0.1:2'] }}]
plugins: [{{ name: p, backend: wasm, source: p.wasm, vm: {{ isolation: {isolation} }} }}]
"
        );
        let loaded = host_config::parse("test", &text, host_config::Format::Yaml, directory.path());
        wasm_settings(&loaded.expect("a configuration").plan)
    };
    let (shared, alone) = (settings("shared"), settings("per_stream"));
    assert!(shared.stream_instances_max < shared.instances_max);
    assert_eq!(alone.stream_instances_max, GUESTS_OF_STREAMS);
    assert!(alone.instances_max >= GUESTS_OF_STREAMS);
}

#[test]
fn codecs_are_uses_of_their_plugins_and_words_of_their_listener() {
    let directory = tempfile::tempdir().expect("a directory");
    std::fs::write(directory.path().join("p.wasm"), "").expect("a file");
    let text = "
listeners:
  - address: '127.0.0.1:1'
    protocol: [bolt, p, { name: p, root_id: other }, http, tcp]
    cluster: app
    stream_filters: [{ plugin: p }]
    routes: [{ match: { service: s }, cluster: app }]
  - address: '127.0.0.1:3'
    protocol: p
    routes: [{ match: { prefix: / }, cluster: app }]
clusters: [{ name: app, endpoints: ['127.0.0.1:2'] }]
plugins: [{ name: p, backend: wasm, source: p.wasm }]
";
    let loaded = host_config::parse("test", text, host_config::Format::Yaml, directory.path());
    let plan = loaded.expect("a configuration").plan;
    let uses = filter_uses(&plan);
    let shown: Vec<_> = uses.iter().map(|one| (one.spec.point, &*one.spec.root_id)).collect();
    let codec = ExtensionPoint::Codec;
    assert_eq!(shown, [(ExtensionPoint::StreamFilter, ""), (codec, ""), (codec, "other")]);
    let labels: Vec<_> =
        plan.listeners.iter().map(|listener| protocol_label(&listener.protocol)).collect();
    assert_eq!(labels, ["bolt, p, p/other, http, tcp", "p"]);
}
