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
