use std::{rc::Rc, task::Poll};

use abi_manifest::Capability;
use bytes::Bytes;
use host_extension::{
    CallError, FaultKind, FilterFactory, Flow, NetworkFilter, Peer, Step, Verdict,
};

use crate::testing::{Worker, connection, poll};

fn filter(worker: &Worker, script: &str) -> (Rc<dyn FilterFactory>, Box<dyn NetworkFilter>) {
    let factory = worker.start("script", script).expect("it starts");
    let filter = factory.network_filter(&connection()).expect("a filter");
    (factory, filter)
}

#[test]
fn a_filter_rewrites_bytes() {
    let worker = Worker::new();
    let factory = worker.start("script", "downstream:body").expect("it starts");
    let connection = connection();
    let mut one = factory.network_filter(&connection).expect("a filter");
    connection.downstream.bytes.borrow_mut().set(Bytes::from_static(b"text"));
    let step = one.on_data(&connection, Flow::Downstream, false);
    assert!(matches!(step, Step::Ready(Verdict::Continue)));
    assert_eq!(connection.downstream.bytes.borrow().as_slice(), b"TEXT");
}

#[test]
fn pauses_of_bytes_hold_and_those_of_a_connection_wait() {
    let worker = Worker::new();
    let script = "start:everything new_connection:pause upstream:pause tick:resume-1";
    let (_factory, mut one) = filter(&worker, script);
    let connection = connection();
    let Step::Later(mut resumed) = one.on_new_connection(&connection) else { panic!("it waits") };
    worker.host.ring();
    assert!(matches!(poll(&mut resumed), Poll::Ready(Verdict::Continue)));
    let step = one.on_data(&connection, Flow::Upstream, false);
    assert!(matches!(step, Step::HoldUntil(_)), "{step:?}");
    let step = one.on_data(&connection, Flow::Upstream, true);
    assert!(matches!(step, Step::Later(_)), "{step:?}");
}

#[test]
fn a_connection_is_closed_and_told_of_its_ends() {
    let worker = Worker::new();
    let (_factory, mut one) = filter(&worker, "downstream:close close:tell");
    let connection = connection();
    let step = one.on_data(&connection, Flow::Downstream, false);
    assert!(matches!(step, Step::Ready(Verdict::Reset)));
    one.on_close(&connection, Flow::Upstream, Peer::Remote).expect("it survives");
    assert_eq!(*worker.host.lines.borrow(), ["Info: Upstream Remote"]);
}

#[test]
fn a_panic_in_each_hook_is_a_fault() {
    type Call = fn(&mut dyn NetworkFilter) -> Result<(), host_extension::PluginFault>;
    fn failed(step: Step) -> Result<(), host_extension::PluginFault> {
        match step {
            Step::Ready(Verdict::Failed(fault)) => Err(fault),
            Step::Ready(_) | Step::Later(_) | Step::HoldUntil(_) => Ok(()),
        }
    }
    let hooks: [(&str, Call); 5] = [
        ("new_connection", |one| failed(one.on_new_connection(&connection()))),
        ("downstream", |one| failed(one.on_data(&connection(), Flow::Downstream, false))),
        ("upstream", |one| failed(one.on_data(&connection(), Flow::Upstream, true))),
        ("close", |one| one.on_close(&connection(), Flow::Downstream, Peer::Local)),
        ("connection_complete", |one| one.on_complete(&connection())),
    ];
    for (callback, call) in hooks {
        let worker = Worker::new();
        let (factory, mut one) = filter(&worker, &format!("{callback}:panic"));
        let fault = call(&mut *one).expect_err("it panics");
        assert_eq!(fault.kind, FaultKind::Trapped, "{callback}");
        assert!(fault.message.ends_with(&format!("at {callback}")), "{fault}");
        let lost = factory.network_filter(&connection()).expect_err("it is lost");
        assert_eq!(lost.kind, FaultKind::InstanceLost);
    }
    let worker = Worker::new();
    let factory = worker.start("script", "network_filter:panic").expect("it starts");
    assert!(factory.network_filter(&connection()).is_err());
}

#[test]
fn bytes_that_cannot_be_read_say_why() {
    let worker = Worker::new();
    let (_factory, mut one) = filter(&worker, "downstream:read");
    for refusal in [CallError::WrongPhase, CallError::Denied] {
        worker.host.refuses.set(Some(refusal));
        drop(one.on_data(&connection(), Flow::Downstream, false));
        let told = worker.host.lines.borrow_mut().pop().expect("a line");
        assert_eq!(told, format!("Info: Err({refusal:?})"), "{refusal:?}");
    }
}

#[test]
fn a_close_that_is_denied_is_a_fault_that_the_instance_survives() {
    let worker = Worker::new();
    worker.host.denied.replace(vec![Capability::Close]);
    let (factory, mut one) = filter(&worker, "downstream:close");
    let step = one.on_data(&connection(), Flow::Downstream, false);
    let Step::Ready(Verdict::Failed(fault)) = step else { panic!("{step:?}") };
    assert_eq!(fault.kind, FaultKind::Denied, "{fault}");
    assert!(factory.network_filter(&connection()).is_ok(), "the instance is well");
}
