//! From the host's refusals to statuses of the interface.
//!
//! SDKs differ in what they survive: the Rust SDK panics on every status that it does not
//! expect of a call, and a panic costs the whole guest. So a refusal that is no mistake of
//! the plugin (it was denied something) must read as something that it expects.
//!
//! | refusal        | one value   | a whole map or body | a change    |
//! |----------------|-------------|---------------------|-------------|
//! | `NotFound`     | NotFound    | ok, empty           | NotFound    |
//! | `WrongPhase`   | BadArgument | ok, empty           | BadArgument |
//! | `BadArgument`  | BadArgument | BadArgument         | BadArgument |
//! | `Denied`       | NotFound    | ok, empty           | ok          |
//! | `LimitReached` | InternalFailure                                |||
//! | `Unsupported`  | Unimplemented                                  |||
//!
//! A denied change is answered with "ok" and not made: no other status of a change is
//! expected. The guard has counted it. `WrongPhase` is a mistake of the plugin, and every
//! host answers it so.

use abi_wasm::Status;
use host_extension::{CallError, CallResult};

use super::Failure;

/// The answer for one value.
pub(super) fn of_value(error: CallError) -> Status {
    if error == CallError::Denied { Status::NotFound } else { of_any(error) }
}

/// The answer for a whole map or body: an error, or that it is empty.
pub(super) fn of_whole(result: CallResult<()>) -> Result<(), Failure> {
    match result {
        Ok(()) | Err(CallError::NotFound | CallError::WrongPhase | CallError::Denied) => Ok(()),
        Err(error) => Err(of_any(error).into()),
    }
}

/// The answer for a change.
pub(super) fn of_change(result: CallResult<()>) -> Result<(), Failure> {
    match result {
        Ok(()) | Err(CallError::Denied) => Ok(()),
        Err(error) => Err(of_any(error).into()),
    }
}

fn of_any(error: CallError) -> Status {
    match error {
        CallError::NotFound => Status::NotFound,
        CallError::BadArgument | CallError::WrongPhase => Status::BadArgument,
        CallError::Unsupported => Status::Unimplemented,
        CallError::Denied | CallError::LimitReached | _ => Status::InternalFailure,
    }
}
