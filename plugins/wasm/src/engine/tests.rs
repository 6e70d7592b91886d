use std::{path::Path, sync::Arc};

use host_extension::{FaultKind, LoadedPlugin};
use host_types::{PluginLimits, VmSettings};

use super::WasmSettings;
use crate::{
    WasmBackend, WasmSpec,
    testing::{Rig, guest},
};

fn load(backend: &WasmBackend) -> Arc<dyn LoadedPlugin> {
    let spec = WasmSpec {
        name: &"guest".into(),
        bytes: &guest("", ""),
        limits: &PluginLimits::default(),
        phases: None,
        vm: &VmSettings::default(),
        grants: "",
    };
    backend.load(spec).expect("it loads")
}

#[test]
fn a_pool_that_finds_no_room_is_done_without() {
    // A million guests of 4 GiB of addresses each: more than a machine has.
    let settings = WasmSettings { instances_max: 1_000_000, ..WasmSettings::default() };
    let backend = WasmBackend::new(&settings).expect("it works without a pool");
    assert!(Rig::of(load(&backend)).start(b"").is_ok());
}

#[test]
fn a_guest_past_the_pool_does_not_start_until_there_is_room() {
    let settings = WasmSettings { instances_max: 2, ..WasmSettings::default() };
    let backend = WasmBackend::new(&settings).expect("an engine");
    let rig = Rig::of(load(&backend));
    let (first, second) = (rig.factory(), rig.factory());
    let fault = rig.start(b"").expect_err("there is no room");
    assert_eq!(fault.kind, FaultKind::LoadFailed);
    assert!(fault.message.contains("limit of 2"), "{fault}");
    drop(first);
    let _third = rig.factory();
    assert!(rig.start(b"").is_err());
    drop(second);
    assert!(rig.start(b"").is_ok());
}

#[test]
fn modules_are_kept_where_that_is_wanted_and_possible() {
    let directory = tempfile::tempdir().expect("a directory");
    let kept = directory.path().join("kept");
    let entries = |path: &Path| {
        let entries = std::fs::read_dir(path).expect("a directory");
        entries.filter(|entry| entry.as_ref().is_ok_and(|entry| entry.path().is_file())).count()
    };
    let settings = WasmSettings { cache_dir: Some(kept.clone()), ..WasmSettings::default() };
    for _ in 0..2 {
        let backend = WasmBackend::new(&settings).expect("an engine");
        assert!(Rig::of(load(&backend)).start(b"").is_ok());
        assert_eq!(entries(&kept), 1);
    }
    // Nowhere: it works all the same.
    let file = directory.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let settings = WasmSettings { cache_dir: Some(file), ..WasmSettings::default() };
    let backend = WasmBackend::new(&settings).expect("an engine");
    assert!(Rig::of(load(&backend)).start(b"").is_ok());
}
