use std::time::Duration;

use host_extension::CallError;

use super::script::{Act, Hook, configure, event, scripted};
use crate::testing::Rig;

const SET: &str = "proxy_set_tick_period_milliseconds";

const fn tick<'a>(acts: &'a [Act<'a>]) -> Hook<'a> {
    Hook { name: "proxy_on_tick", params: 1, answer: None, acts }
}

fn periods(rig: &Rig) -> Vec<u128> {
    rig.host.timers.periods().iter().map(Duration::as_millis).collect()
}

#[test]
fn a_root_ticks_for_as_long_as_it_lives() {
    let rig = scripted(&[configure(&[Act::Call(SET, &[100])]), tick(&[Act::Params])]);
    let factory = rig.factory();
    assert_eq!(periods(&rig), [100]);
    rig.host.timers.ring();
    rig.host.timers.ring();
    assert_eq!(rig.host.said(), "A11");
    drop(factory);
    assert_eq!(periods(&rig), []);
}

#[test]
fn a_new_period_takes_the_place_of_the_old_one_and_zero_stops() {
    let acts = [Act::Call(SET, &[100]), Act::Call(SET, &[7])];
    let rig = scripted(&[configure(&acts), tick(&[Act::Call(SET, &[0])])]);
    let _factory = rig.factory();
    assert_eq!(periods(&rig), [7]);
    rig.host.timers.ring();
    assert_eq!(periods(&rig), [], "the tick itself stopped it");
    assert_eq!(rig.host.said(), "AAA");
}

#[test]
fn a_stream_sets_the_timer_of_its_root() {
    let create = event("proxy_on_context_create", 2, &[Act::Call(SET, &[5])]);
    let rig = scripted(&[create, tick(&[Act::Params])]);
    let (filter, _stream) = rig.filter();
    rig.host.said();
    rig.host.timers.ring();
    assert_eq!(rig.host.said(), "1");
    drop(filter);
}

#[test]
fn a_guest_without_the_hook_may_set_a_timer() {
    let rig = scripted(&[configure(&[Act::Call(SET, &[100])])]);
    let _factory = rig.factory();
    rig.host.timers.ring();
    assert_eq!(rig.host.said(), "A");
}

#[test]
fn a_denied_timer_is_not_set() {
    let rig = scripted(&[configure(&[Act::Call(SET, &[100])])]);
    rig.host.refuse.replace(Some(CallError::Denied));
    let _factory = rig.factory();
    assert_eq!(rig.host.said(), "A");
}

#[test]
fn a_fault_of_a_tick_is_told() {
    let hook = r#"(func (export "proxy_on_tick") (param i32) unreachable)"#;
    let import = r#"(import "env" "proxy_set_tick_period_milliseconds"
        (func $set (param i32) (result i32)))"#;
    let start = r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $set (i32.const 9))) (i32.const 1))"#;
    let rig = Rig::new(&crate::testing::guest(import, &format!("{hook} {start}")));
    let factory = rig.factory();
    rig.host.timers.ring();
    assert_eq!(rig.faults.borrow().len(), 1);
    let stream = crate::testing::stream();
    assert!(factory.stream_filter(&stream).is_err(), "the guest is lost");
    assert_eq!(periods(&rig), [], "and its timer with it");
}
