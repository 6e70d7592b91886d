//! The cases, by family.
//!
//! Where the text of the interface says what must happen, that is what a case asks for. Where
//! it is silent, it is what hosts in use do. A status in `or_elsewhere` is one that another
//! host answers with for a reason of its own; ours must not.

mod anywhere;
mod buffers;
mod calls;
mod connections;
mod grpc;
mod headers;
mod lifecycle;
mod pointers;
mod properties;
mod replies;
mod shared;
mod start;
mod streams;
mod unavailable;

use abi_wasm::AbiVersion;

use crate::{
    call::Function,
    case::{Case, Which},
    probe::Functions,
    script::{Answer, Value},
};

/// All cases that a version of the interface can be asked.
pub(crate) fn all(abi: AbiVersion) -> Vec<Case> {
    let functions = Functions::of(abi);
    let families = [
        start::cases(),
        anywhere::cases(),
        headers::cases(),
        buffers::cases(),
        unavailable::cases(),
        pointers::cases(),
        properties::cases(),
        shared::cases(),
        streams::cases(),
        replies::cases(),
        calls::cases(),
        grpc::cases(),
        connections::cases(),
        lifecycle::cases(),
    ];
    let cases = families.into_iter().flatten().filter(|case| is_offered(case, &functions));
    if abi == AbiVersion::V0_1_0 {
        cases.filter_map(as_of_0_1_0).collect()
    } else {
        cases.collect()
    }
}

/// In 0.1.0 a field that is missing is an empty one, and who is shown a head is not told
/// whether a body follows.
fn as_of_0_1_0(mut case: Case) -> Option<Case> {
    if case.subject == "end_of_stream" && case.name.contains("headers") {
        return None;
    }
    let scripts = [&mut case.stream, &mut case.root, &mut case.armed];
    for step in scripts.into_iter().flatten() {
        let of_field = step.call.name() == "proxy_get_header_map_value";
        if let Some(answer) = step.answer.as_mut().filter(|_| of_field)
            && answer.statuses == [1]
        {
            *answer = Answer::value(Value::Empty).or(1);
        }
    }
    Some(case)
}

/// True where a version has all functions that a case calls.
fn is_offered(case: &Case, functions: &Functions) -> bool {
    let scripts = [Which::Stream, Which::Root, Which::Armed, Which::Beside];
    let mut steps = scripts.into_iter().flat_map(|which| case.steps(which));
    steps.all(|step| match step.call.function {
        Function::Host(name) => functions.number(name).is_some(),
        Function::Special(_) => true,
    })
}

/// Done.
fn ok() -> Answer {
    Answer::status(0)
}

/// What was asked for is not there.
fn missing() -> Answer {
    Answer::status(1)
}

/// An argument makes no sense.
fn bad() -> Answer {
    Answer::status(2)
}

/// Exactly these bytes.
fn text(bytes: &str) -> Answer {
    Answer::value(Value::Bytes(bytes.as_bytes().to_vec()))
}
