use std::{sync::atomic::Ordering, thread};

use host_types::PluginLimits;
use wasmtime::{Config, Engine, Instance, Module, Store, Trap};

use super::{Pulse, Ticker};

fn engine() -> Engine {
    Engine::new(Config::new().epoch_interruption(true)).expect("an engine")
}

/// Waits for the ticker to sleep.
fn until_it_rests(pulse: &Pulse) {
    while !pulse.shared.resting.load(Ordering::Acquire) {
        thread::yield_now();
    }
}

/// Runs a guest that never ends for so many ticks.
fn run_endless(engine: &Engine, pulse: &Pulse, ticks: u64) {
    let text = r#"(module (func (export "f") (loop $l (br $l))))"#;
    let module = Module::new(engine, wat::parse_str(text).expect("a module")).expect("it compiles");
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &module, &[]).expect("a guest");
    let f = instance.get_typed_func::<(), ()>(&mut store, "f").expect("a function");
    store.set_epoch_deadline(ticks);
    pulse.beat().now();
    let error = f.call(&mut store, ()).expect_err("it is stopped");
    assert_eq!(error.downcast_ref(), Some(&Trap::Interrupt));
}

#[test]
fn who_is_called_after_a_rest_is_stopped_all_the_same() {
    let engine = engine();
    let ticker = Ticker::new(engine.clone()).expect("a ticker");
    let pulse = ticker.pulse(&PluginLimits::default());
    for _ in 0..3 {
        until_it_rests(&pulse);
        run_endless(&engine, &pulse, 5);
    }
}

#[test]
fn it_does_not_rest_while_a_call_may_be_running() {
    let engine = engine();
    let ticker = Ticker::new(engine.clone()).expect("a ticker");
    let limits = PluginLimits::default();
    let pulse = ticker.pulse(&limits);
    let half = u64::try_from(limits.start_budget.as_millis() / 2).expect("a short one");
    until_it_rests(&pulse);
    let begun = std::time::SystemTime::now();
    run_endless(&engine, &pulse, half);
    let took = begun.elapsed().expect("a time");
    // At a tick for each rest it would be far more.
    assert!(took < 20 * limits.start_budget, "{took:?}");
}

#[test]
fn guests_that_outlive_the_backend_are_still_stopped() {
    let engine = engine();
    let ticker = Ticker::new(engine.clone()).expect("a ticker");
    let pulse = ticker.pulse(&PluginLimits::default());
    drop(ticker);
    run_endless(&engine, &pulse, 3);
}
