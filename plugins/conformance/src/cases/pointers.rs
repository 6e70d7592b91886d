//! Every address and every length of every function outside of the guest's memory.
//!
//! The host must answer "invalid memory access" and must not fail itself. The calls are good
//! but for the one argument.

use abi_wasm::{BufferType, MapType, MetricType};

use crate::{
    Phase,
    call::{self, Arg, Call},
    case::{Case, Check},
    script::{Answer, Value},
};

/// An address with room for nothing behind it, and one with room for four bytes only in the
/// very last place: both lie outside of every memory that has less than 4 GiB.
const NOWHERE: u32 = 0xFFFF_FF00;
const LAST: u32 = 0xFFFF_FFFC;

pub(super) fn cases() -> Vec<Case> {
    let proxy = calls().into_iter().flat_map(|(phase, call)| of_call(phase, &call, 6));
    let wasi = wasi_calls().into_iter().flat_map(|call| of_call(Phase::RequestHeaders, &call, 21));
    proxy.chain(wasi).collect()
}

fn of_call(phase: Phase, call: &Call, status: u32) -> Vec<Case> {
    let mut cases = Vec::new();
    let refused = Answer { value: Value::Any, ..Answer::status(status) };
    for (arg, at) in call.args.iter().zip(0..) {
        let mut case = |what: String, broken: Call| {
            let case = Case::at(phase, call.name(), &what)
                .prepare(call::set_shared("pointers", "value", Arg::Number(0)))
                .prepare(call::register("pointers"))
                .call(broken, refused.clone());
            let stream = phase == Phase::RequestHeaders;
            cases.push(if stream { case.check(Check::Status(200)) } else { case });
        };
        if let Arg::Data(_) = arg {
            case(format!("bad address in argument {at}"), call.clone().with(at, NOWHERE));
            // The next one is the length.
            let (length, far) = (at + 1, call.clone().with(at + 1, u32::MAX));
            case(format!("bad length in argument {length}"), far);
        }
        if let Arg::Out(_) = arg {
            case(format!("bad result in argument {at}"), call.clone().with(at, LAST));
        }
    }
    cases
}

fn calls() -> Vec<(Phase, Call)> {
    let head = MapType::RequestHeaders;
    let of_head = vec![
        call::log(2, "a line"),
        call::log_level(),
        call::time(),
        call::property("plugin_name"),
        call::set_property("case", "value"),
        call::map_size(head),
        call::pairs(head),
        call::set_pairs(head, &[("x-case", "1")]),
        call::value(head, ":path"),
        call::add(head, "x-case", "1"),
        call::replace(head, "x-case", "1"),
        call::remove(head, "x-case"),
        call::reply(200, "body", &[("x-a", "b")]),
        call::good_http_call(),
        call::grpc_call("upstream", "Say", "hello", 1000),
        call::grpc_stream("upstream", "Say"),
        call::shared("pointers"),
        call::set_shared("pointers", "value", Arg::Number(0)),
        call::register("pointers"),
        call::resolve("conformance", "pointers"),
        call::define(MetricType::Counter, "pointers"),
        call::status(),
    ];
    let body = BufferType::RequestBody;
    let of_body =
        vec![call::whole(body), call::buffer_status(body), call::set_buffer(body, 0, 0, "x")];
    let of_head = of_head.into_iter().map(|call| (Phase::RequestHeaders, call));
    let of_body = of_body.into_iter().map(|call| (Phase::RequestBody, call));
    of_head.chain(of_body).collect()
}

fn wasi_calls() -> Vec<Call> {
    vec![
        call::fd_write(1),
        call::clock(0),
        call::random(Arg::Out(2), 8),
        call::environment_sizes(),
        call::argument_sizes(),
    ]
}
