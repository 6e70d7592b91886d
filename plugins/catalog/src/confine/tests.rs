use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use host_extension::FaultKind;
use host_types::NativeSettings;
use plugins_policy::{Mode, Permission, Policy, Preset, Restriction};

use super::*;

fn permissions(words: &[&str]) -> Vec<Permission> {
    words.iter().map(|word| word.parse().expect("a permission")).collect()
}

/// A plugin with two variables and two places, under a policy.
fn plan(backend: BackendKind, policy: Policy) -> PluginPlan {
    let mut plan = crate::fake::plan("greet", Path::new("greet"));
    let variables = || vec![("HOME".into(), "a".into()), ("TOKEN".into(), "b".into())];
    plan.backend = backend;
    plan.policy = Arc::new(policy);
    plan.vm.environment = variables();
    plan.process.environment = variables();
    plan.process.sandbox.read = vec![PathBuf::from("/etc/greet"), PathBuf::from("/srv/data")];
    plan
}

/// The variables and places that are left, and what is told of the others.
fn left(plan: &PluginPlan) -> (Vec<String>, Vec<PathBuf>, Vec<String>) {
    let rights = Rights::new(&plan.policy, None, "greet");
    let (confined, warnings) = confine(plan, &rights, None);
    let environment = if plan.backend == BackendKind::Wasm {
        confined.vm.environment
    } else {
        confined.process.environment
    };
    let names = environment.iter().map(|(name, _value)| name.to_string()).collect();
    let oddities = warnings.into_iter().filter_map(|warning| match warning.oddity {
        Oddity::Variable { name, .. } => Some(name.to_string()),
        Oddity::Place { path, .. } => Some(path.display().to_string()),
        Oddity::WasLet { .. } => None,
        other @ (Oddity::MayUse { .. } | Oddity::NotAllowed { .. } | Oddity::Unenforced(_)) => {
            panic!("{other:?}")
        }
    });
    let oddities = oddities.collect();
    (names, confined.process.sandbox.read, oddities)
}

#[test]
fn a_plugin_sees_the_variables_and_places_that_it_may_and_the_others_are_told() {
    let grants = permissions(&["environment:HOME", "files.read:/srv"]);
    let policy = Policy { grants, ..Policy::of(Preset::None) };
    let (names, places, oddities) = left(&plan(BackendKind::Process, policy.clone()));
    assert_eq!((names, places), (vec!["HOME".to_owned()], vec![PathBuf::from("/srv/data")]));
    assert_eq!(oddities, ["TOKEN", "/etc/greet"]);

    let (names, places, oddities) = left(&plan(BackendKind::Wasm, policy));
    assert_eq!(names, ["HOME"]);
    assert_eq!(places.len(), 2, "what is said for another backend waits");
    assert_eq!(oddities, ["TOKEN"]);
}

#[test]
fn a_preset_lets_a_plugin_see_all_variables_and_only_the_widest_all_places() {
    let (names, places, oddities) = left(&plan(BackendKind::Process, Policy::default()));
    assert_eq!((names.len(), places.len(), oddities.len()), (2, 0, 2));
    let (names, places, oddities) = left(&plan(BackendKind::Process, Policy::of(Preset::Trusted)));
    assert_eq!((names.len(), places.len(), oddities.len()), (2, 2, 0));
}

#[test]
fn a_library_in_a_child_is_confined_as_any_child_and_one_in_the_proxy_reads_what_it_likes() {
    let mut native = plan(BackendKind::Native, Policy::of(Preset::None));
    assert!(left(&native).2.is_empty());
    native.native = NativeSettings { run_in: RunIn::Runner, ..NativeSettings::default() };
    assert_eq!(left(&native).2.len(), 4);
    native.process.sandbox.enabled = false;
    assert_eq!(left(&native).2.len(), 2, "nothing keeps it from places");
}

#[test]
fn a_permissive_policy_takes_nothing_away_and_a_recorder_notes_what_was_given() {
    let lets = Policy { mode: Mode::Permissive, ..Policy::of(Preset::None) };
    let plan = plan(BackendKind::Process, lets);
    let (confined, warnings) = confine(&plan, &Rights::new(&plan.policy, None, "greet"), None);
    assert_eq!(confined.process.environment.len(), 2);
    assert_eq!(confined.process.sandbox.read.len(), 2);
    assert_eq!(warnings.len(), 4);
    for warning in warnings {
        let (line, denied) = (warning.to_string(), warning.oddity.denied());
        let known = [Capability::Environment, Capability::FilesRead].map(Some);
        assert!(line.contains("` would not be allowed: ") && known.contains(&denied), "{line}");
    }
    let recorder = Recorder::default();
    confine(&plan, &Rights::new(&plan.policy, None, "greet"), Some(&recorder));
    let mut noted: Vec<_> = recorder.grants().iter().map(ToString::to_string).collect();
    noted.sort_unstable();
    assert_eq!(
        noted,
        ["environment:HOME", "environment:TOKEN", "files.read:/etc/greet", "files.read:/srv/data"]
    );
}

/// The lines about a plugin with two variables and two places whose manifest asks for this.
fn told(policy: Policy, asked: Option<&[&str]>) -> Vec<String> {
    let asked = asked.map(permissions);
    let plan = plan(BackendKind::Process, policy);
    let rights = Rights::new(&plan.policy, asked.as_deref(), "greet");
    let (_confined, warnings) = confine(&plan, &rights, None);
    warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn what_is_left_out_is_told_with_the_rule_and_what_can_be_done() {
    let strict = |grants: &[&str], denials: &[&str]| Policy {
        name: "strict".into(),
        grants: permissions(grants),
        denials: permissions(denials),
        ..Policy::of(Preset::None)
    };
    let lines = told(strict(&["environment:TOKEN", "files.read:/srv"], &[]), None);
    assert_eq!(
        lines,
        [
            "plugin `greet` does not see its environment variable `HOME`: `environment:HOME` is \
             not allowed: to grant it, add \"environment:HOME\" to `grants` of the policy `strict`",
            "plugin `greet` cannot read `/etc/greet` of its `sandbox.read`: \
             `files.read:/etc/greet` is not allowed: to grant it, add \"files.read:/etc/greet\" to \
             `grants` of the policy `strict`",
        ]
    );
    // What is denied is granted by no grant.
    let grants = ["environment", "files.read"];
    for line in told(strict(&grants, &["environment:HOME", "files.read:/etc"]), None) {
        assert!(line.contains("`denials` of the policy `strict` has `"), "{line}");
        assert!(!line.contains("to grant it"), "{line}");
    }
    // Nor what a package does not ask for.
    let lines = told(Policy::default(), Some(&["log", "files.read"]));
    for (name, line) in ["HOME", "TOKEN"].iter().zip(&lines) {
        assert!(line.contains(&format!("\"environment:{name}\" to `permissions`")), "{line}");
        assert!(!line.contains("to grant it"), "{line}");
    }
    assert!(lines[2].contains("preset: default, grants: [\"files.read:/etc/greet\"]"), "{lines:?}");
}

#[test]
fn a_place_is_decided_about_by_where_it_is_and_is_not_given_where_something_in_it_is_denied() {
    let folder = tempfile::tempdir().expect("a directory");
    let base = fs::canonicalize(folder.path()).expect("a path");
    for name in ["etc", "etc/secret", "srv", "srv/kept"] {
        fs::create_dir(base.join(name)).expect("made");
    }
    symlink("../srv/kept", base.join("etc/link")).expect("linked");
    symlink("nowhere", base.join("dangling")).expect("linked");
    let path = |name: &str| format!("{}/{name}", base.display());
    let left_of = |place: &str, policy: Policy| {
        let mut plan = plan(BackendKind::Process, policy);
        plan.process.sandbox.read = vec![PathBuf::from(path(place))];
        let (_names, places, told) = left(&plan);
        assert_eq!(places.len() + told.len(), 1, "{told:?}");
        places.first().and_then(|place| place.strip_prefix(&base).ok()).map(Path::to_path_buf)
    };
    let denying = |name: &str| Policy {
        denials: permissions(&[&format!("files.read:{}", path(name))]),
        ..Policy::of(Preset::Trusted)
    };
    let granting = |name: &str| Policy {
        grants: permissions(&["environment", &format!("files.read:{}", path(name))]),
        ..Policy::of(Preset::None)
    };
    let is = |place: &str| Some(PathBuf::from(place));
    // What a denial names is in the place, however it is written.
    for place in ["etc", "etc/", ".//etc/.", "srv/../etc", "etc/secret", "etc/secret/key", ""] {
        assert_eq!(left_of(place, denying("etc/secret")), None, "{place}");
    }
    assert_eq!(left_of("srv", denying("etc/secret")), is("srv"));
    // So it is where a link leads, from either side.
    assert_eq!(left_of("etc/link", denying("srv")), None);
    for place in ["srv", "srv/kept", "etc"] {
        assert_eq!(left_of(place, denying("etc/link")), None, "{place}");
    }
    assert_eq!(left_of("etc/secret", denying("etc/link")), is("etc/secret"));
    // A grant is for what is there, not for what a link in it leads to.
    assert_eq!(left_of("etc", granting("etc")), is("etc"));
    assert_eq!(left_of("etc/link", granting("etc")), None);
    assert_eq!(left_of("etc/link", granting("srv")), is("srv/kept"));
    assert_eq!(left_of("dangling", granting("")), None);
    // A permissive policy gives it all the same.
    let lets = Policy { mode: Mode::Permissive, ..denying("etc/secret") };
    assert_eq!(left_of("etc", lets), is("etc"));
}

#[test]
fn a_variable_whose_name_no_grant_can_have_is_told_in_one_line() {
    let mut plan = plan(BackendKind::Process, Policy::of(Preset::None));
    plan.process.environment = vec![("A\nB".into(), "a".into())];
    let (_confined, warnings) = confine(&plan, &Rights::new(&plan.policy, None, "greet"), None);
    let line = warnings[0].to_string();
    assert!(line.contains("`A\\nB`") && line.contains("no grant can name it"), "{line}");
    assert!(!line.contains('\n'), "{line}");
}

#[test]
fn a_restriction_that_a_library_in_the_proxy_can_break_refuses_it_unless_it_need_not_hold() {
    let mut policy = Policy { stated: vec![Restriction::Memory], ..Policy::default() };
    for backend in [BackendKind::Native, BackendKind::Builtin] {
        let fault = enforced(&plan(backend, policy.clone())).expect_err("nobody enforces it");
        assert_eq!(fault.kind, FaultKind::LoadFailed);
        for part in ["`memory`", "allow_unenforced: [memory]"] {
            assert!(fault.message.contains(part), "{fault}");
        }
    }
    assert_eq!(enforced(&plan(BackendKind::Wasm, policy.clone())), Ok(Vec::new()));
    policy.allow_unenforced = vec![Restriction::Memory];
    let oddities = enforced(&plan(BackendKind::Native, policy)).expect("it need not hold");
    let [warning] = oddities.as_slice() else { panic!("{oddities:?}") };
    assert!(warning.to_string().contains("`memory` cannot be enforced"), "{warning}");
}

#[test]
fn what_nobody_stated_need_not_be_enforced() {
    for backend in [BackendKind::Native, BackendKind::Builtin, BackendKind::Wasm] {
        assert_eq!(enforced(&plan(backend, Policy::of(Preset::None))), Ok(Vec::new()));
    }
}
