//! From the host's refusals to statuses of the interface.
//!
//! SDKs differ in what they survive: the Rust SDK panics on every status that it does not
//! expect of a call, and a panic costs the whole guest. So a refusal that is no mistake of
//! the plugin (it was denied something, a limit was reached) must read as something that it
//! expects, wherever it expects anything at all.
//!
//! | refusal        | one value       | a whole map     | a buffer        | a change        |
//! |----------------|-----------------|-----------------|-----------------|-----------------|
//! | `NotFound`     | NotFound        | ok, empty       | NotFound        | NotFound        |
//! | `WrongPhase`   | BadArgument     | ok, empty       | NotFound        | BadArgument     |
//! | `BadArgument`  | BadArgument     | BadArgument     | BadArgument     | BadArgument     |
//! | `Denied`       | NotFound        | ok, empty       | NotFound        | ok              |
//! | `Conflict`     | CasMismatch     | CasMismatch     | CasMismatch     | CasMismatch     |
//! | `Empty`        | Empty           | Empty           | Empty           | Empty           |
//! | `LimitReached` | InternalFailure | InternalFailure | InternalFailure | InternalFailure |
//! | `Unsupported`  | Unimplemented   | Unimplemented   | Unimplemented   | Unimplemented   |
//!
//! A denied change is answered with "ok" and not made: no other status of a change is
//! expected. The guard has counted it. A reply or a close is such a change; a guest that then
//! waits would wait for ever, which is why its stream fails (`Context::refuse`). `WrongPhase` is
//! a mistake of the plugin, and every host answers it so; of a buffer the specification wants
//! `NotFound`, also where it was to be changed.
//!
//! Some families have their own words:
//!
//! | refusal        | shared data set | enqueue  | HTTP call       | gRPC open       | gRPC send   | foreign         |
//! |----------------|-----------------|----------|-----------------|-----------------|-------------|-----------------|
//! | `NotFound`     | NotFound        | NotFound | BadArgument     | ParseFailure    | NotFound    | NotFound        |
//! | `BadArgument`  | BadArgument     | NotFound | BadArgument     | ParseFailure    | BadArgument | BadArgument     |
//! | `WrongPhase`   | BadArgument     | NotFound | BadArgument     | ParseFailure    | BadArgument | BadArgument     |
//! | `Denied`       | ok              | NotFound | InternalFailure | InternalFailure | NotFound    | NotFound        |
//! | `Conflict`     | CasMismatch     | NotFound | InternalFailure | InternalFailure | BadArgument | InternalFailure |
//! | `LimitReached` | CasMismatch     | NotFound | InternalFailure | InternalFailure | BadArgument | InternalFailure |
//! | `Unsupported`  | Unimplemented   | NotFound | InternalFailure | InternalFailure | BadArgument | NotFound        |
//!
//! A value or an item past a limit was not stored, which is what "somebody was faster" and
//! "there is no such queue" come to for a plugin; it expects no other refusal there.

use abi_wasm::Status;
use host_extension::{CallError, CallResult};

use super::{Answer, Failure};

/// The answer for one value.
pub(super) fn of_value(error: CallError) -> Status {
    if error == CallError::Denied { Status::NotFound } else { of_any(error) }
}

/// The answer for a whole map: an error, or that it is empty.
pub(super) fn of_whole(result: CallResult<()>) -> Result<(), Failure> {
    match result {
        Ok(()) | Err(CallError::NotFound | CallError::WrongPhase | CallError::Denied) => Ok(()),
        Err(error) => Err(of_any(error).into()),
    }
}

/// The answer for a buffer.
pub(super) fn of_buffer(result: CallResult<()>) -> Answer {
    match result {
        Ok(()) => Ok(()),
        Err(CallError::WrongPhase) => Err(Status::NotFound.into()),
        Err(error) => Err(of_value(error).into()),
    }
}

/// The answer for a change of a buffer.
pub(super) fn of_buffer_change(result: CallResult<()>) -> Answer {
    match result {
        Err(CallError::WrongPhase) => Err(Status::NotFound.into()),
        other => of_change(other),
    }
}

/// The answer for a change.
pub(super) fn of_change(result: CallResult<()>) -> Answer {
    match result {
        Ok(()) | Err(CallError::Denied) => Ok(()),
        Err(error) => Err(of_any(error).into()),
    }
}

/// The answer for a change of shared data.
pub(super) fn of_shared(result: CallResult<()>) -> Answer {
    match result {
        Err(CallError::LimitReached) => Err(Status::CasMismatch.into()),
        other => of_change(other),
    }
}

/// The answer for an item of a queue.
pub(super) fn of_enqueue(result: CallResult<()>) -> Answer {
    result.map_err(|_refused| Status::NotFound.into())
}

/// The answer for an HTTP call that was not made.
pub(super) fn of_http_call(error: CallError) -> Status {
    if is_mistake(error) { Status::BadArgument } else { Status::InternalFailure }
}

/// The answer for a gRPC call or stream that was not opened.
pub(super) fn of_grpc_open(error: CallError) -> Status {
    if is_mistake(error) { Status::ParseFailure } else { Status::InternalFailure }
}

/// The answer for a gRPC message that was not sent.
pub(super) fn of_grpc_send(error: CallError) -> Status {
    let unknown = matches!(error, CallError::NotFound | CallError::Denied);
    if unknown { Status::NotFound } else { Status::BadArgument }
}

/// The answer for a foreign function.
pub(super) fn of_foreign(error: CallError) -> Status {
    let unknown = [CallError::NotFound, CallError::Denied, CallError::Unsupported];
    if unknown.contains(&error) {
        Status::NotFound
    } else if is_mistake(error) {
        Status::BadArgument
    } else {
        Status::InternalFailure
    }
}

/// True where the plugin asked for what cannot be, or for what is not there.
fn is_mistake(error: CallError) -> bool {
    matches!(error, CallError::NotFound | CallError::BadArgument | CallError::WrongPhase)
}

fn of_any(error: CallError) -> Status {
    match error {
        CallError::NotFound => Status::NotFound,
        CallError::BadArgument | CallError::WrongPhase => Status::BadArgument,
        CallError::Unsupported => Status::Unimplemented,
        CallError::Conflict => Status::CasMismatch,
        CallError::Empty => Status::Empty,
        CallError::Denied | CallError::LimitReached | _ => Status::InternalFailure,
    }
}
