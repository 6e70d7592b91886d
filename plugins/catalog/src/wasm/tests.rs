use std::{sync::Arc, time::Duration};

use host_extension::{FaultKind, FilterUse, OnError, Step, Verdict};
use host_types::Isolation;
use plugins_policy::Policy;
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

#[test]
fn a_guest_for_each_stream_leaves_the_others_alone() {
    let house = house();
    let headers = r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        unreachable)"#;
    house.write("trap", guest(headers));
    let one = filter_use("trap", "", OnError::Closed);
    let mut plan = house.plan("trap");
    plan.vm.isolation = Isolation::PerStream;
    let snapshot = house.catalog.load(&[plan], std::slice::from_ref(&one), house.now());
    house.worker.apply(snapshot);

    let slot = house.worker.instance(&one);
    let stream = stream();
    for _ in 0..10 {
        let mut filter = slot.stream_filter(&stream).expect("an instance serves");
        let Step::Ready(Verdict::Failed(fault)) = filter.on_request_headers(&stream, true) else {
            panic!("the guest traps");
        };
        slot.on_fault(&fault);
    }
    let metrics = house.metrics.worker(3).plugin(&one.plugin, "wasm");
    assert_eq!(metrics.restarts_total.value(), 0);
    assert_eq!(metrics.faults.of("trapped").value(), 10);
}

#[test]
fn uses_that_share_a_machine_lose_it_together_and_get_the_next_one_together() {
    let house = house();
    let hooks = r#"
        (global $roots (mut i32) (i32.const 0))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (global.set $roots (i32.add (global.get $roots) (i32.const 1))) (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (if (local.get 2) (then unreachable)) (i32.ne (global.get $roots) (i32.const 2)))"#;
    let uses = ["one", "two"].map(|name| filter_use(name, "", OnError::Closed));
    let plans = ["one", "two"].map(|name| {
        house.write(name, guest(hooks));
        let mut plan = house.plan(name);
        plan.vm.id = Some("both".into());
        plan
    });
    house.worker.apply(house.catalog.load(&plans, &uses, house.now()));
    let slots = uses.each_ref().map(|one| house.worker.instance(one));
    let stream = stream();
    for _ in 0..2 {
        for slot in &slots {
            let mut filter = slot.stream_filter(&stream).expect("an instance serves");
            let step = filter.on_request_headers(&stream, false);
            assert!(matches!(step, Step::Ready(Verdict::Continue)), "both roots: {step:?}");
        }
        let mut filter = slots[0].stream_filter(&stream).expect("an instance serves");
        let Step::Ready(Verdict::Failed(fault)) = filter.on_request_headers(&stream, true) else {
            panic!("the guest traps");
        };
        slots[0].on_fault(&fault);
        drop(filter);
        // Each use gets its root in the next machine before any of them is asked.
        house.pass(Duration::from_secs(1));
        let fresh = slots.each_ref().map(|slot| slot.stream_filter(&stream).expect("it serves"));
        drop(fresh);
    }
    let of = |one: &FilterUse| house.metrics.worker(3).plugin(&one.plugin, "wasm");
    assert_eq!(of(&uses[0]).faults.of("trapped").value(), 2);
    assert_eq!(of(&uses[1]).faults.of("trapped").value(), 0);
    assert_eq!(of(&uses[1]).faults.of("instance_lost").value(), 2);
    assert_eq!(of(&uses[1]).restarts_total.value(), 2);
}

/// Who lives in one machine can do what any of them may.
#[test]
fn plugins_with_other_rights_or_limits_live_in_machines_of_their_own() {
    let hooks = r#"
        (global $roots (mut i32) (i32.const 0))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
          (global.set $roots (i32.add (global.get $roots) (i32.const 1))) (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
          (i32.ne (global.get $roots) (i32.const 2)))"#;
    for (denials, calls_max, share) in
        [(vec![], 16, true), (vec!["random"], 16, false), (vec![], 17, false)]
    {
        let house = house();
        let uses = ["one", "two"].map(|name| filter_use(name, "", OnError::Closed));
        let mut plans = ["one", "two"].map(|name| {
            house.write(name, guest(hooks));
            let mut plan = house.plan(name);
            plan.vm.id = Some("both".into());
            plan.limits.calls_max = 16;
            plan
        });
        plans[1].limits.calls_max = calls_max;
        let denials = denials.iter().map(|one: &&str| one.parse().expect("a permission"));
        let denials = denials.collect();
        plans[1].policy = Arc::new(Policy { denials, ..(*plans[0].policy).clone() });
        house.worker.apply(house.catalog.load(&plans, &uses, house.now()));
        let slots = uses.each_ref().map(|one| house.worker.instance(one));
        let stream = stream();
        for slot in &slots {
            let mut filter = slot.stream_filter(&stream).expect("an instance serves");
            let step = filter.on_request_headers(&stream, false);
            assert_eq!(matches!(step, Step::Ready(Verdict::Continue)), share, "{step:?}");
        }
    }
}

/// Shares a machine between the uses of a plugin, in which the second one traps.
#[test]
fn a_use_that_would_end_the_machine_of_others_is_found_by_its_trial() {
    let house = house();
    let configure = r#"(global $roots (mut i32) (i32.const 0))
      (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (if (global.get $roots) (then unreachable))
        (global.set $roots (i32.const 1)) (i32.const 1))
      (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) i32.const 0)"#;
    house.write("first", guest(configure));
    let uses = ["a", "b"].map(|config| filter_use("first", config, OnError::Closed));
    let mut plan = house.plan("first");
    plan.vm.id = Some("m".into());
    let plans = [plan];
    let check = |uses: &[FilterUse]| {
        house.worker.apply(house.catalog.load(&plans, uses, house.now()));
        let failures = house.catalog.snapshot().failures();
        let refused: Vec<_> = failures.iter().filter_map(|one| one.spec.as_ref()).collect();
        assert_eq!(refused, [&uses[1].spec]);
        assert!(house.serve(&uses[0]).is_ok());
        assert!(house.serve(&uses[1]).is_err());
        assert!(house.serve(&uses[0]).is_ok(), "its machine lives");
    };
    check(&uses);
    // Who was tried before is there again when another use comes.
    check(&uses);
    // With a machine for each stream they never meet.
    let mut apart = plans[0].clone();
    apart.vm.isolation = Isolation::PerStream;
    house.catalog.load(&[apart], &uses, house.now());
    assert!(house.catalog.snapshot().failures().is_empty());
}
