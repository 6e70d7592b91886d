//! Functions that a plugin calls by name.
//!
//! They have the names and the arguments that plugins for other hosts know. A name that is not
//! in [`call_foreign`] is `NotFound`, which plugins take for an answer.

use std::io::{Read, Write};

use flate2::{Compression, read::ZlibDecoder, write::ZlibEncoder};
use host_extension::{CallError, CallResult, HostCalls, Subject};
use prost::Message;

/// Bytes that the argument of such a function may have. Nobody stops a function of the host: what
/// it does with so many bytes is a matter of a few milliseconds.
pub const FOREIGN_ARGUMENT_BYTES_MAX: usize = 256 * 1024;

/// Bytes that its result may have.
pub const FOREIGN_RESULT_BYTES_MAX: usize = 1024 * 1024;

/// The first segment of the path under which `set_envoy_filter_state` leaves its values.
const FILTER_STATE: &[u8] = b"filter_state";

/// Calls the function `name`, and shows its result, which may be empty. What it does to its
/// subject, `calls` does.
///
/// | name | argument | does |
/// |---|---|---|
/// | `compress` | any bytes | shows them in zlib's format |
/// | `uncompress` | bytes in zlib's format | shows what they were |
/// | `set_envoy_filter_state` | a message: path, value, span | sets the property `filter_state`, path |
/// | `declare_property` | a message: name, type, schema | nothing: properties have no declared type here |
/// | `clear_route_cache` | none | nothing: a route is chosen when the head leaves the filters |
///
/// # Errors
/// `NotFound` for an unknown function, `BadArgument` for an argument that it does not
/// understand, `LimitReached` where the argument or the result is too large; of
/// `set_envoy_filter_state` what setting a property can answer.
pub fn call_foreign(
    calls: &dyn HostCalls,
    subject: Subject<'_>,
    name: &[u8],
    argument: &[u8],
    show: &mut dyn FnMut(&[u8]),
) -> CallResult<()> {
    if argument.len() > FOREIGN_ARGUMENT_BYTES_MAX {
        return Err(CallError::LimitReached);
    }
    match name {
        b"compress" => show(&compress(argument)?),
        b"uncompress" => show(&uncompress(argument)?),
        b"set_envoy_filter_state" => {
            let state: FilterState = decode(argument)?;
            if state.path.is_empty() {
                return Err(CallError::BadArgument);
            }
            calls.set_property(subject, &[FILTER_STATE, state.path.as_bytes()], &state.value)?;
            show(b"");
        }
        b"declare_property" => {
            let declared: DeclaredProperty = decode(argument)?;
            if declared.name.is_empty() {
                return Err(CallError::BadArgument);
            }
            show(b"");
        }
        b"clear_route_cache" => show(b""),
        _ => return Err(CallError::NotFound),
    }
    Ok(())
}

/// The argument of `set_envoy_filter_state`. Its third field, how long the value lives, is not
/// read: it lives as long as the stream.
#[derive(Clone, PartialEq, Message)]
struct FilterState {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// The argument of `declare_property`, as far as it matters.
#[derive(Clone, PartialEq, Message)]
struct DeclaredProperty {
    #[prost(string, tag = "1")]
    name: String,
}

fn decode<T: Message + Default>(argument: &[u8]) -> CallResult<T> {
    T::decode(argument).map_err(|_malformed| CallError::BadArgument)
}

fn compress(bytes: &[u8]) -> CallResult<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    // Into a vector every write goes.
    written.map_err(|_refused| CallError::LimitReached)
}

/// Reads one byte more than may be, and no further.
fn uncompress(bytes: &[u8]) -> CallResult<Vec<u8>> {
    let mut plain = Vec::new();
    let enough = FOREIGN_RESULT_BYTES_MAX as u64 + 1;
    let read = ZlibDecoder::new(bytes).take(enough).read_to_end(&mut plain);
    read.map_err(|_malformed| CallError::BadArgument)?;
    if plain.len() > FOREIGN_RESULT_BYTES_MAX {
        return Err(CallError::LimitReached);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests;
