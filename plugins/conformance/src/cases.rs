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
    families.into_iter().flatten().filter(|case| is_offered(case, &functions)).collect()
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
