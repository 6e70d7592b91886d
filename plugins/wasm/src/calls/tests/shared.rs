use host_extension::{CallError, MetricKind};
use host_types::VmSettings;

use super::{
    BAD, OUT,
    script::{Act, Hook, configure, event, module, request, scripted, scripted_in},
};
use crate::testing::{Rig, load_as, stream};

const OUTS: i64 = OUT as i64;
const BAD_WIDE: i64 = BAD as i64;

/// What a guest says of its acts in a request's head.
#[track_caller]
fn check(acts: &[Act<'_>], expect: &str) -> Rig {
    let rig = scripted(&[request(acts)]);
    run(&rig);
    assert_eq!(rig.host.said(), expect);
    rig
}

fn run(rig: &Rig) {
    let stream = stream();
    let mut filter = rig.factory().stream_filter(&stream).expect("a filter");
    drop(filter.on_request_headers(&stream, true));
}

const GET: Act<'_> = Act::Call("proxy_get_shared_data", &[100, 5, OUTS, OUTS + 4, OUTS + 8]);

const fn set(version: &'static [i64]) -> Act<'static> {
    Act::Call("proxy_set_shared_data", version)
}

#[test]
fn shared_data_is_set_and_read_with_its_version() {
    let acts = [GET, set(&[100, 5, 110, 5, 0]), GET, Act::Bytes(OUT), Act::Number(OUT + 8)];
    let rig = check(&acts, "BAAvalue1");
    let shared = rig.host.beside.shared.borrow();
    let key = ("guest".to_owned(), b"x-one".to_vec());
    assert_eq!(shared.get(&key), Some(&(b"value".to_vec(), 1)), "under the plugin's name");
}

#[test]
fn shared_data_that_somebody_else_changed_is_not_set() {
    let first = set(&[100, 5, 110, 5, 7]);
    let wrong = set(&[100, 5, 120, 7, 9]);
    let right = set(&[100, 5, 120, 7, 1]);
    check(&[first, wrong, GET, Act::Bytes(OUT), right, GET, Act::Bytes(OUT)], "AIAvalueAArequest");
}

#[test]
fn an_empty_value_is_a_value() {
    let acts = [set(&[100, 5, 0, 0, 0]), GET, Act::Number(OUT), Act::Number(OUT + 4)];
    check(&acts, "AA00");
}

#[test]
fn shared_data_is_not_read_into_bad_places() {
    for bad in [0, 2, 3, 4] {
        let mut args = [100, 5, OUTS, OUTS + 4, OUTS + 8];
        args[bad] = BAD_WIDE;
        let get = || Act::Call("proxy_get_shared_data", &args);
        check(&[get(), set(&[100, 5, 110, 5, 0]), get(), Act::Bytes(OUT)], "GAG");
    }
}

#[test]
fn a_full_store_reads_as_if_somebody_was_faster() {
    for (refusal, expect) in [
        (CallError::LimitReached, "I"),
        (CallError::Conflict, "I"),
        (CallError::Denied, "A"),
        (CallError::Unsupported, "M"),
    ] {
        let rig = scripted(&[request(&[set(&[100, 5, 110, 5, 0])])]);
        rig.host.refuse.replace(Some(refusal));
        run(&rig);
        assert_eq!(rig.host.said(), expect, "{refusal:?}");
    }
}

const REGISTER: Act<'_> = Act::Call("proxy_register_shared_queue", &[100, 5, 300]);

#[test]
fn queues_give_back_what_was_put_in() {
    let dequeue = || Act::Call("proxy_dequeue_shared_queue", &[1, OUTS, OUTS + 4]);
    let enqueue = Act::Call("proxy_enqueue_shared_queue", &[1, 110, 5]);
    let nothing = Act::Call("proxy_enqueue_shared_queue", &[1, 0, 0]);
    let resolve = Act::Call("proxy_resolve_shared_queue", &[0, 0, 100, 5, 304]);
    check(
        &[
            REGISTER,
            Act::Number(300),
            resolve,
            Act::Number(304),
            dequeue(),
            enqueue,
            nothing,
            dequeue(),
            Act::Bytes(OUT),
            dequeue(),
            Act::Number(OUT + 4),
            dequeue(),
        ],
        "A1A1HAAAvalueA0H",
    );
}

#[test]
fn queues_that_nobody_made_are_not_found() {
    check(&[Act::Call("proxy_resolve_shared_queue", &[0, 0, 100, 5, 304])], "B");
    check(&[Act::Call("proxy_enqueue_shared_queue", &[9, 110, 5])], "B");
    check(&[Act::Call("proxy_dequeue_shared_queue", &[9, OUTS, OUTS + 4])], "B");
    // Another VM's, by its id; and an id that is no text.
    let other = Act::Call("proxy_resolve_shared_queue", &[110, 5, 100, 5, 304]);
    check(&[REGISTER, other], "AB");
    let no_text = Act::Call("proxy_resolve_shared_queue", &[OUTS, 4, 100, 5, 304]);
    check(&[REGISTER, no_text], "AB");
}

#[test]
fn a_bad_place_takes_nothing_out_of_a_queue() {
    let enqueue = Act::Call("proxy_enqueue_shared_queue", &[1, 110, 5]);
    let bad = Act::Call("proxy_dequeue_shared_queue", &[1, BAD_WIDE, OUTS]);
    let bad_length = Act::Call("proxy_dequeue_shared_queue", &[1, OUTS, BAD_WIDE]);
    let good = Act::Call("proxy_dequeue_shared_queue", &[1, OUTS, OUTS + 4]);
    check(&[REGISTER, enqueue, bad, bad_length, good, Act::Bytes(OUT)], "AAGGAvalue");
}

#[test]
fn a_full_queue_reads_as_none() {
    let rig = scripted(&[request(&[Act::Call("proxy_enqueue_shared_queue", &[1, 110, 5])])]);
    rig.host.refuse.replace(Some(CallError::LimitReached));
    run(&rig);
    assert_eq!(rig.host.said(), "B");
}

#[test]
fn the_root_is_told_of_items_as_long_as_it_lives() {
    let ready = event("proxy_on_queue_ready", 2, &[Act::Params]);
    let rig = scripted(&[configure(&[REGISTER, REGISTER]), ready]);
    let factory = rig.factory();
    assert_eq!(rig.host.said(), "AA");
    assert_eq!(rig.host.beside.alive.get(), 1, "the first place was given up for the second");
    rig.host.beside.queue_ready(1);
    assert_eq!(rig.host.said(), "11");
    drop(factory);
    assert_eq!(rig.host.beside.alive.get(), 0);
    rig.host.beside.queue_ready(1);
    assert_eq!(rig.host.said(), "");
}

#[test]
fn a_root_has_only_so_many_places_and_may_register_again_at_those() {
    // Names are the first bytes of the memory, more of them each time.
    let args: Vec<[i64; 3]> = (0..65).map(|length| [100, length, 300]).collect();
    let mut acts: Vec<_> =
        args.iter().map(|args| Act::Call("proxy_register_shared_queue", args)).collect();
    acts.push(Act::Call("proxy_register_shared_queue", &args[63]));
    let rig = scripted(&[configure(&acts)]);
    let _factory = rig.factory();
    assert_eq!(rig.host.said(), format!("{}KA", "A".repeat(64)));
    assert_eq!(rig.host.beside.alive.get(), 64);
}

#[test]
fn metrics_are_defined_counted_and_read() {
    let define = |kind: &'static [i64]| Act::Call("proxy_define_metric", kind);
    let rig = check(
        &[
            define(&[0, 100, 5, 300]),
            define(&[1, 110, 5, 304]),
            define(&[2, 120, 7, 308]),
            define(&[3, 100, 5, 312]),
            Act::Number(300),
            Act::Number(304),
            Act::Call("proxy_increment_metric", &[1, 3]),
            Act::Call("proxy_increment_metric", &[1, -1]),
            Act::Call("proxy_record_metric", &[2, 7]),
            Act::Call("proxy_increment_metric", &[2, -2]),
            Act::Call("proxy_record_metric", &[3, 5]),
            Act::Call("proxy_increment_metric", &[3, 1]),
            Act::Call("proxy_increment_metric", &[9, 1]),
            Act::Call("proxy_record_metric", &[9, 1]),
            Act::Call("proxy_get_metric", &[1, 320]),
            Act::Number(320),
            Act::Call("proxy_get_metric", &[2, 320]),
            Act::Number(320),
            Act::Call("proxy_get_metric", &[9, 320]),
            Act::Call("proxy_get_metric", &[1, BAD_WIDE]),
        ],
        "AAAC12ACAAACBBA3A5BG",
    );
    let metrics = rig.host.beside.metrics.borrow();
    let names: Vec<_> = metrics.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(names, ["guest.x-one", "guest.value", "guest.request"]);
}

#[test]
fn a_metric_that_another_plugin_of_the_machine_defined_can_be_counted() {
    let acts = [
        Act::Call("proxy_increment_metric", &[1, 3]),
        Act::Call("proxy_get_metric", &[1, 320]),
        Act::Number(320),
        Act::Call("proxy_record_metric", &[1, 7]),
        Act::Call("proxy_record_metric", &[2, 7]),
    ];
    let code = module(&[request(&acts)]);
    let rig = Rig::of(load_as("one", &code, &named()));
    let other = rig.beside(load_as("two", &code, &named()));
    let host = &rig.host.beside;
    let first = rig.factory();
    let metric = host.define_metric("one", MetricKind::Gauge, "open").expect("a metric");
    assert_eq!(metric, 1);
    host.define_metric("three", MetricKind::Gauge, "open").expect("a metric");
    let stream = stream();
    let second = other.factory();
    let mut filter = second.stream_filter(&stream).expect("a filter");
    drop(filter.on_request_headers(&stream, true));
    assert_eq!(other.host.said(), "AA3AB", "of a plugin that has no root there it means nothing");
    assert_eq!(host.metric("one", 1), Ok(7));
    drop(first);
    run(&other);
    assert_eq!(other.host.said(), "BB3BB", "nor of one that is gone");
}

#[test]
fn a_metric_without_a_name_in_text_is_refused() {
    check(&[Act::Call("proxy_define_metric", &[0, 500, 1, 300])], "A");
    let rig = scripted(&[Hook {
        acts: &[Act::Call("proxy_define_metric", &[0, 404, 200, 300])],
        ..request(&[])
    }]);
    run(&rig);
    assert_eq!(rig.host.said(), "A", "NUL bytes are text; what a name may be, the host says");
}

#[test]
fn foreign_functions_are_called_by_name_and_results_may_go_nowhere() {
    let name = "proxy_call_foreign_function";
    let call = |args: &'static [i64]| Act::Call(name, args);
    check(&[call(&[190, 7, 110, 5, OUTS, OUTS + 4]), Act::Bytes(OUT)], "Aeulav");
    check(&[call(&[190, 7, 110, 5, 0, 0])], "A");
    check(&[call(&[190, 7, 110, 5, 0, OUTS + 4]), Act::Number(OUT + 4)], "A5");
    check(&[call(&[190, 7, 110, 5, OUTS, 0])], "A");
    check(&[call(&[190, 7, 0, 0, OUTS, OUTS + 4]), Act::Number(OUT + 4)], "A0");
    check(&[call(&[100, 5, 110, 5, OUTS, OUTS + 4])], "B");
    check(&[call(&[190, 7, 110, 5, BAD_WIDE, 0])], "G");
}

/// A machine with a name of its own.
fn named() -> VmSettings {
    VmSettings { id: Some("machine".into()), ..VmSettings::default() }
}

#[test]
fn what_is_shared_belongs_to_the_machine_where_it_has_a_name() {
    let own = Act::Call("proxy_resolve_shared_queue", &[0, 0, 100, 5, 304]);
    let rig = scripted_in(&[request(&[set(&[100, 5, 110, 5, 0]), REGISTER, own])], &named());
    run(&rig);
    assert_eq!(rig.host.said(), "AAA");
    let host = &rig.host.beside;
    assert!(host.shared.borrow().contains_key(&("machine".to_owned(), b"x-one".to_vec())));
    assert!(host.resolve_queue("machine", b"x-one").is_ok());
    assert!(host.resolve_queue("guest", b"x-one").is_err());
}

#[test]
fn each_root_of_a_machine_is_told_of_its_own_queues() {
    let ready = event("proxy_on_queue_ready", 2, &[Act::Params]);
    let rig = scripted_in(&[configure(&[REGISTER]), ready], &named());
    let first = rig.factory();
    let second = rig.factory();
    rig.host.said();
    rig.host.beside.queue_ready(1);
    assert_eq!(rig.host.said(), "21", "the one that registered last");
    drop(second);
    assert_eq!(rig.host.beside.alive.get(), 1);
    drop(first);
    assert_eq!(rig.host.beside.alive.get(), 0);
}
