mod budget;

use std::{rc::Rc, sync::atomic::Ordering::Relaxed, time::Duration};

use host_extension::{
    ExtensionPoint, FaultKind, FilterFactory, FilterUse, InstanceSpec, OnError, PluginFault,
    PoolMode,
};
use host_types::PluginName;

use crate::{
    backoff::DELAY_MAX,
    fake::{House, filter_use, serve, serve_codec, trapped},
    recovery::{FAULTS_MAX, OPEN_FOR, QUIET},
};

struct Room {
    house: House,
    one: FilterUse,
    slot: Rc<dyn FilterFactory>,
}

fn room() -> Room {
    let house = House::new();
    house.write("greet", "v1");
    let one = filter_use("greet", "a", OnError::Closed);
    house.reload(std::slice::from_ref(&one));
    let slot = house.worker.instance(&one);
    Room { house, one, slot }
}

impl Room {
    #[track_caller]
    fn check_serves(&self, instance: &str) {
        assert_eq!(serve(self.slot.as_ref()).as_deref(), Ok(instance));
    }

    #[track_caller]
    fn check_fault(&self, kind: FaultKind) {
        assert_eq!(serve(self.slot.as_ref()).map_err(|fault| fault.kind), Err(kind));
    }

    fn trap(&self) {
        self.slot.on_fault(&trapped());
    }

    /// Lets every instance trap until the breaker opens.
    fn open(&self) {
        for _ in 0..FAULTS_MAX {
            while serve(self.slot.as_ref()).is_err() {
                self.house.pass(Duration::from_millis(10));
            }
            self.trap();
        }
    }

    fn metrics(&self) -> std::sync::Arc<host_telemetry::PluginMetrics> {
        self.house.metrics.worker(3).plugin(&PluginName::from("greet"), "wasm")
    }

    fn breakers_open(&self) -> (i64, usize) {
        (self.metrics().breaker_open.value(), self.house.catalog.status()[0].breakers_open)
    }
}

#[test]
fn an_instance_is_warm_before_the_first_stream_and_serves_them_all() {
    let room = room();
    assert_eq!(room.house.script.starts.load(Relaxed), 1);
    room.check_serves("v1#1");
    room.check_serves("v1#1");
    assert_eq!(room.house.alive(), 1);
    assert_eq!(room.metrics().restarts_total.value(), 0);
}

#[test]
fn a_codec_is_made_anew_where_its_instance_failed_and_the_protocol_is_known_meanwhile() {
    let house = House::new();
    house.write("greet", "v1");
    let spec = InstanceSpec { point: ExtensionPoint::Codec, ..InstanceSpec::default() };
    let one = FilterUse { spec, ..filter_use("greet", "", OnError::Closed) };
    house.reload(std::slice::from_ref(&one));
    let slot = house.worker.instance(&one);
    assert_eq!(serve_codec(slot.as_ref()).as_deref(), Ok("v1#1"));
    slot.on_fault(&trapped());
    assert_eq!(house.alive(), 0);
    assert_eq!(slot.codec_profile().pool, PoolMode::PingPong);
    assert_eq!(serve_codec(slot.as_ref()).as_deref(), Ok("v1#2"));
}

#[test]
fn the_protocol_is_known_before_an_instance_has_started_on_the_worker() {
    let house = House::new();
    house.write("greet", "v1");
    let spec = InstanceSpec { point: ExtensionPoint::Codec, ..InstanceSpec::default() };
    let one = FilterUse { spec, ..filter_use("greet", "", OnError::Closed) };
    house.reload(std::slice::from_ref(&one));
    house.script.failing_starts.store(1, Relaxed);
    let slot = house.worker.instance(&one);
    assert_eq!(house.alive(), 0);
    assert_eq!(slot.codec_profile().pool, PoolMode::PingPong);
    house.pass(DELAY_MAX);
    assert_eq!(serve_codec(slot.as_ref()).as_deref(), Ok("v1#1"));
    assert_eq!(slot.codec_profile().pool, PoolMode::PingPong);
}

#[test]
fn connections_of_a_codec_that_did_not_load_hear_why() {
    let house = House::new();
    house.write("greet", "broken");
    let spec = InstanceSpec { point: ExtensionPoint::Codec, ..InstanceSpec::default() };
    let one = FilterUse { spec, ..filter_use("greet", "", OnError::Closed) };
    house.reload(std::slice::from_ref(&one));
    let refused = serve_codec(house.worker.instance(&one).as_ref()).unwrap_err();
    assert_eq!(&*refused.message, "not an artifact");
}

#[test]
fn a_faulty_instance_never_serves_again_and_the_first_time_a_fresh_one_does_at_once() {
    let room = room();
    room.trap();
    assert_eq!(room.house.alive(), 0);
    room.check_serves("v1#2");
    assert_eq!(room.metrics().restarts_total.value(), 1);
    assert_eq!(room.metrics().faults.of("trapped").value(), 1);
    let status = &room.house.catalog.status()[0];
    assert_eq!(status.last_fault, Some(trapped()));
    assert_eq!(status.last_error(), Some(&trapped()));
}

#[test]
fn later_instances_come_after_a_while_and_until_then_the_fault_is_remembered() {
    let room = room();
    room.trap();
    room.check_serves("v1#2");
    room.trap();
    room.check_fault(FaultKind::Trapped);
    assert_eq!(room.metrics().faults.of("trapped").value(), 2, "no fault of its own");
    room.house.pass(Duration::from_millis(100));
    room.check_serves("v1#3");
}

#[test]
fn the_remembered_fault_is_not_counted_again_when_its_stream_ends_with_it() {
    let room = room();
    room.trap();
    room.check_serves("v1#2");
    room.trap();
    for _ in 0..10 {
        let fault = serve(room.slot.as_ref()).expect_err("remembered");
        room.slot.on_fault(&fault);
    }
    assert_eq!(room.metrics().faults.of("trapped").value(), 2);
    room.house.pass(Duration::from_millis(100));
    room.check_serves("v1#3");
}

#[test]
fn losing_an_instance_is_no_fault_of_the_next_one() {
    let room = room();
    room.trap();
    room.check_serves("v1#2");
    room.slot.on_fault(&PluginFault::new(FaultKind::InstanceLost, "gone"));
    room.check_serves("v1#2");
    assert_eq!(room.metrics().faults.of("instance_lost").value(), 1);
}

#[test]
fn an_instance_that_died_unseen_is_replaced_for_the_stream_that_finds_it() {
    for fault in [trapped(), PluginFault::new(FaultKind::InstanceLost, "gone")] {
        let room = room();
        room.house.script.create_faults.lock().push(fault.clone());
        room.check_serves("v1#2");
        assert_eq!(room.house.alive(), 1);
        assert_eq!(room.metrics().faults.of(fault.kind.label()).value(), 1);
    }
}

#[test]
fn a_plugin_that_fails_on_every_new_stream_costs_a_stream_one_fresh_instance_at_most() {
    let room = room();
    *room.house.script.create_faults.lock() = vec![trapped(); 5];
    room.check_fault(FaultKind::Trapped);
    assert_eq!(room.house.script.starts.load(Relaxed), 2);
    assert_eq!(room.house.alive(), 0);
    room.check_fault(FaultKind::Trapped);
    assert_eq!(room.house.script.starts.load(Relaxed), 2, "backoff rules");
}

#[test]
fn a_refusal_by_policy_or_limit_leaves_the_instance_alone() {
    let room = room();
    let denied = PluginFault::new(FaultKind::Denied, "too many streams");
    room.house.script.create_faults.lock().push(denied.clone());
    room.check_fault(FaultKind::Denied);
    room.slot.on_fault(&denied);
    room.check_serves("v1#1");
    assert_eq!(room.metrics().faults.of("denied").value(), 1);
}

#[test]
fn the_breaker_opens_then_half_opens_for_one_try() {
    let room = room();
    room.open();
    assert_eq!(room.breakers_open(), (1, 1));
    room.check_fault(FaultKind::Trapped);
    let starts = room.house.script.starts.load(Relaxed);
    room.house.pass(OPEN_FOR - Duration::from_millis(1));
    room.check_fault(FaultKind::Trapped);
    assert_eq!(room.house.script.starts.load(Relaxed), starts, "nothing is started meanwhile");

    room.house.pass(Duration::from_millis(1));
    room.check_serves(&format!("v1#{}", starts + 1));
    assert_eq!(room.breakers_open(), (0, 0));
    room.trap();
    assert_eq!(room.breakers_open(), (1, 1));
    room.check_fault(FaultKind::Trapped);
}

#[test]
fn a_half_opened_breaker_closes_when_the_instance_stays_well() {
    let room = room();
    room.open();
    room.house.pass(OPEN_FOR);
    assert!(serve(room.slot.as_ref()).is_ok());
    room.house.pass(QUIET);
    room.trap();
    assert!(serve(room.slot.as_ref()).is_ok(), "as after a first fault");
    assert_eq!(room.breakers_open(), (0, 0));
}

#[test]
fn a_slot_that_goes_takes_its_open_breaker_out_of_the_metrics() {
    let mut room = room();
    room.open();
    assert_eq!(room.breakers_open().0, 1);
    room.house.write("greet", "v2");
    room.house.reload(std::slice::from_ref(&room.one));
    room.slot = room.house.worker.instance(&room.one);
    assert_eq!(room.breakers_open(), (0, 0));
    assert!(serve(room.slot.as_ref()).is_ok(), "a new generation begins with a clean slate");
}

#[test]
fn a_start_that_fails_on_a_worker_is_tried_again_whatever_the_policy_for_streams() {
    for on_error in [OnError::Closed, OnError::Open, OnError::Reload] {
        let house = House::new();
        house.write("greet", "v1");
        let one = filter_use("greet", "a", on_error);
        house.script.failing_starts.store(2, Relaxed);
        house.reload(std::slice::from_ref(&one));
        let slot = house.worker.instance(&one);
        // The first one failed while warming; the first fault is answered at once, in vain.
        let fault = serve(slot.as_ref()).expect_err("the second one fails, too");
        assert_eq!(fault.kind, FaultKind::TimedOut);
        house.pass(Duration::from_millis(100));
        assert_eq!(serve(slot.as_ref()).as_deref(), Ok("v1#1"), "{on_error:?}");
        let metrics = house.metrics.worker(3).plugin(&one.plugin, "wasm");
        assert_eq!(metrics.faults.of("timed_out").value(), 2);
        assert_eq!(metrics.restarts_total.value(), 0, "there was none to replace");
    }
}

#[test]
fn starts_for_single_streams_that_fail_are_backed_off_as_all_others() {
    let room = room();
    room.house.script.outlives_faults.store(true, Relaxed);
    let broken = PluginFault::new(FaultKind::LoadFailed, "it does not start");
    let tries = 4 * FAULTS_MAX;
    *room.house.script.create_faults.lock() = vec![broken.clone(); tries];
    for _ in 0..tries {
        let fault = serve(room.slot.as_ref()).expect_err("it does not start");
        assert_eq!(fault, broken);
        room.slot.on_fault(&fault);
    }
    let tried = tries - room.house.script.create_faults.lock().len();
    assert!(tried < FAULTS_MAX, "{tried} streams paid for a start");
    let counted = u64::try_from(tried).expect("a few");
    assert_eq!(room.metrics().faults.of("load_failed").value(), counted, "each start once");
    room.house.script.create_faults.lock().clear();
    room.house.pass(OPEN_FOR);
    assert!(serve(room.slot.as_ref()).is_ok(), "it is tried again");
}

#[test]
fn an_instance_that_outlives_faults_serves_on() {
    let room = room();
    room.house.script.outlives_faults.store(true, Relaxed);
    for _ in 0..2 * FAULTS_MAX {
        room.trap();
    }
    room.house.script.create_faults.lock().push(trapped());
    let fault = serve(room.slot.as_ref()).expect_err("this filter could not be made");
    room.slot.on_fault(&fault);
    room.check_serves("v1#1");
    let counted = u64::try_from(2 * FAULTS_MAX + 1).expect("a few");
    assert_eq!(room.metrics().faults.of("trapped").value(), counted, "each of them once");
    assert_eq!(room.metrics().restarts_total.value(), 0);
    assert_eq!(room.breakers_open(), (0, 0));
    let refused = PluginFault::new(FaultKind::Denied, "too many");
    room.slot.on_fault(&refused);
    let status = &room.house.catalog.status()[0];
    assert_eq!(status.last_fault, Some(trapped()), "a refusal is no fault");
}
