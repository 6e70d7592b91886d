use std::{fs, sync::Arc};

use plugins_policy::{Access, Capability, Policy, Preset, Restriction};

use super::*;
use crate::fake::plan;

const MANIFEST: &str = r#"
schema = 1
permissions = ["log", "http_call:auth"]
[plugin]
name = "p"
version = "1.0.0"
security = true
[[provides]]
point = "stream_filter"
phases = ["request_headers"]
[[artifact]]
backend = "wasm"
file = "p.wasm"
"#;

#[test]
fn a_package_asks_by_its_manifest_and_its_code_is_not_needed() {
    let package = tempfile::tempdir().expect("a directory");
    fs::write(package.path().join("plugin.toml"), MANIFEST).expect("written");
    let survey = Survey::of(&plan("p", package.path()));
    assert_eq!(survey.asked.as_deref().map(<[_]>::len), Some(2));
    assert!(survey.is_security && survey.problem.is_none());
    assert!(survey.rights.allows(Access::whole(Capability::Log)));
    assert!(!survey.rights.allows(Access::whole(Capability::Reply)));
    fs::write(package.path().join("plugin.toml"), "schema = 2").expect("written");
    let survey = Survey::of(&plan("p", package.path()));
    assert_eq!(survey.asked.as_deref(), Some(&[][..]));
    assert!(survey.problem.is_some());
    assert!(survey.is_security, "what it says now cannot be read");
}

#[test]
fn a_lone_artifact_asks_for_everything() {
    let survey = Survey::of(&plan("p", std::path::Path::new("/nonexistent/p.wasm")));
    assert_eq!((survey.asked, survey.manifest, survey.problem), (None, None, None));
    assert!(!survey.is_security);
    assert!(survey.rights.allows(Access::whole(Capability::Reply)));
}

#[test]
fn what_is_stated_and_does_not_hold_is_told() {
    let policy = Policy { stated: vec![Restriction::Memory], ..Policy::of(Preset::Default) };
    let inside = PluginPlan {
        backend: BackendKind::Builtin,
        policy: Arc::new(policy),
        ..plan("p", std::path::Path::new("p"))
    };
    let unenforced = Survey::of(&inside).unenforced;
    assert_eq!(
        unenforced.iter().map(|one| one.restriction).collect::<Vec<_>>(),
        [Restriction::Memory]
    );
    assert!(Survey::of(&PluginPlan { backend: BackendKind::Wasm, ..inside }).unenforced.is_empty());
}

#[test]
fn a_denial_of_the_directory_of_a_child_does_not_hold() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("greet");
    fs::write(&file, "program").expect("written");
    let vain = |denied: &std::path::Path, backend| {
        let denial = format!("files.read:{}", denied.display()).parse().expect("a permission");
        let policy = Policy { denials: vec![denial], ..Policy::of(Preset::Default) };
        let plan = PluginPlan { backend, policy: Arc::new(policy), ..plan("p", &file) };
        let unenforced = Survey::of(&plan).unenforced;
        unenforced.iter().any(|one| one.reason.contains("its own directory"))
    };
    assert!(vain(&directory.path().join("secret"), BackendKind::Process));
    assert!(!vain(&directory.path().join("secret"), BackendKind::Wasm));
    assert!(!vain(std::path::Path::new("/srv/other"), BackendKind::Process));
}
