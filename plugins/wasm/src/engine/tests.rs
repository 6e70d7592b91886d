use host_types::{PluginLimits, VmSettings};

use super::WasmSettings;
use crate::{WasmBackend, WasmSpec, testing::guest};

#[test]
fn a_pool_that_finds_no_room_is_done_without() {
    // A million guests of 4 GiB of addresses each: more than a machine has.
    let settings = WasmSettings { instances_max: 1_000_000, ..WasmSettings::default() };
    let backend = WasmBackend::new(&settings).expect("it works without a pool");
    let limits = PluginLimits::default();
    let bytes = guest("", "");
    let spec = WasmSpec {
        name: &"guest".into(),
        bytes: &bytes,
        limits: &limits,
        phases: None,
        vm: &VmSettings::default(),
    };
    assert!(backend.load(spec).is_ok());
}
