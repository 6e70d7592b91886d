use std::sync::Arc;

use host_extension::{FaultKind, OnError, Step, Verdict};
use plugins_wasm::{WasmBackend, WasmSettings};

use crate::{
    PluginState,
    fake::{House, filter_use, stream},
};

fn house() -> House {
    let settings = WasmSettings { instances_max: 8, ..WasmSettings::default() };
    House::over(Arc::new(WasmBackend::new(&settings).expect("an engine")))
}

/// A guest with the least that the interface asks for, and `hooks`.
fn guest(hooks: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
          (func (export "proxy_abi_version_0_2_1"))
          (memory (export "memory") 1)
          (func (export "malloc") (param i32) (result i32) i32.const 1024)
          {hooks})"#
    );
    wat::parse_str(text).expect("a valid module")
}

#[test]
fn a_guest_that_traps_is_replaced_by_a_fresh_one() {
    let house = house();
    let headers = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        unreachable)"#;
    house.write("trap", guest(headers));
    let one = filter_use("trap", "", OnError::Closed);
    house.reload(std::slice::from_ref(&one));
    assert_eq!(house.catalog.status()[0].state, PluginState::Loaded);

    let slot = house.worker.instance(&one);
    let stream = stream();
    for _ in 0..2 {
        let mut filter = slot.stream_filter(&stream).expect("an instance serves");
        let Step::Ready(Verdict::Failed(fault)) = filter.on_request_headers(&stream, true) else {
            panic!("the guest traps");
        };
        assert_eq!(fault.kind, FaultKind::Trapped);
        slot.on_fault(&fault);
    }
    let metrics = house.metrics.worker(3).plugin(&one.plugin, "wasm");
    assert_eq!(metrics.restarts_total.value(), 1);
    assert_eq!(metrics.faults.of("trapped").value(), 2);
}

#[test]
fn a_guest_that_refuses_its_configuration_fails_with_the_file_named() {
    let house = house();
    let configure = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
        i32.const 0)"#;
    house.write("picky", guest(configure));
    house.write("text", "(module)");
    let uses = ["picky", "text"].map(|name| filter_use(name, "x", OnError::Closed));
    house.reload(&uses);
    let failures = house.catalog.snapshot().failures();
    let failed: Vec<_> = failures.iter().map(|failure| failure.plugin.as_str()).collect();
    assert_eq!(failed, ["picky", "text"]);
    for (failure, one) in failures.iter().zip(&uses) {
        assert_eq!(failure.fault.kind, FaultKind::LoadFailed, "{failure}");
        assert_eq!(house.serve(one), Err(failure.fault.clone()));
    }
}
