//! Header maps: the four field sections of a stream, read and changed.

use abi_wasm::{MapType, PairWriter, PairsError, Status, decode_pairs};
use host_extension::{FieldWrite, HeaderMapKind};
use host_types::Headers;
use wasmtime::Linker;

use super::{Answer, Call, answer, define};
use crate::state::VmData;

/// An address with a length.
type Slice = (u32, u32);

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    define!(linker, Running, "proxy_get_header_map_size", |call, map, out| {
        size(call, map, out)
    });
    define!(linker, Running, "proxy_get_header_map_pairs", |call, map, ptr_out, len_out| {
        pairs(call, map, (ptr_out, len_out))
    });
    define!(linker, Running, "proxy_set_header_map_pairs", |call, map, ptr, len| {
        set_pairs(call, map, (ptr, len))
    });
    define!(
        linker,
        Running,
        "proxy_get_header_map_value",
        |call, map, name, name_len, ptr_out, len_out| {
            value(call, map, (name, name_len), (ptr_out, len_out))
        }
    );
    define!(
        linker,
        Running,
        "proxy_add_header_map_value",
        |call, map, name, name_len, ptr, len| {
            let (name, value) = (call.read(name, name_len)?, call.read(ptr, len)?);
            change(call, map, FieldWrite::Add(name, value))
        }
    );
    define!(
        linker,
        Running,
        "proxy_replace_header_map_value",
        |call, map, name, name_len, ptr, len| {
            let (name, value) = (call.read(name, name_len)?, call.read(ptr, len)?);
            change(call, map, FieldWrite::Replace(name, value))
        }
    );
    define!(linker, Running, "proxy_remove_header_map_value", |call, map, name, name_len| {
        change(call, map, FieldWrite::Remove(call.read(name, name_len)?))
    });
    Ok(())
}

/// The section that a guest means. Those of calls to upstreams are known by number, but
/// there is no such call whose answer could be read.
fn section(map: u32) -> Result<HeaderMapKind, Status> {
    match MapType::try_from(map).map_err(|_unknown| Status::BadArgument)? {
        MapType::RequestHeaders => Ok(HeaderMapKind::RequestHeaders),
        MapType::RequestTrailers => Ok(HeaderMapKind::RequestTrailers),
        MapType::ResponseHeaders => Ok(HeaderMapKind::ResponseHeaders),
        MapType::ResponseTrailers => Ok(HeaderMapKind::ResponseTrailers),
        MapType::GrpcInitialMetadata
        | MapType::GrpcTrailingMetadata
        | MapType::HttpCallResponseHeaders
        | MapType::HttpCallResponseTrailers => Err(Status::NotFound),
    }
}

fn size(call: &mut Call<'_>, map: u32, out: u32) -> Answer {
    let section = section(map)?;
    let stream = call.stream()?;
    let mut bytes = 0;
    let shown =
        call.data().calls.headers(&stream, section, &mut |headers| bytes = headers.byte_size());
    shown.map_err(answer::of_value)?;
    let bytes = u32::try_from(bytes).map_err(|_wide| Status::InternalFailure)?;
    Ok(call.write_u32(out, bytes)?)
}

/// A section that is not there reads as an empty one.
fn pairs(call: &mut Call<'_>, map: u32, (ptr_out, len_out): Slice) -> Answer {
    let section = match section(map) {
        Ok(section) => section,
        Err(Status::NotFound) => return call.give(&[], ptr_out, len_out),
        Err(status) => return Err(status.into()),
    };
    let Ok(stream) = call.stream() else { return call.give(&[], ptr_out, len_out) };
    call.with_scratch(|call, scratch| {
        let mut encoded = Ok(());
        let shown = call.data().calls.headers(&stream, section, &mut |headers| {
            encoded = encode(headers, scratch);
        });
        answer::of_whole(shown)?;
        encoded.map_err(|_past_the_limits| Status::SerializationFailure)?;
        call.give(scratch, ptr_out, len_out)
    })
}

fn encode(headers: &Headers, bytes: &mut Vec<u8>) -> Result<(), PairsError> {
    let mut writer = PairWriter::new(bytes, headers.len())?;
    for (name, value) in headers.iter() {
        writer.push(name, value)?;
    }
    writer.finish()
}

/// Bytes that are no map are refused. (Some hosts take them as an empty map, and so would
/// drop all fields for a plugin's mistake.)
fn set_pairs(call: &mut Call<'_>, map: u32, (ptr, len): Slice) -> Answer {
    let pairs = decode_pairs(call.read(ptr, len)?).map_err(|_no_map| Status::BadArgument)?;
    change(call, map, FieldWrite::SetAll(&pairs))
}

fn value(call: &mut Call<'_>, map: u32, name: Slice, (ptr_out, len_out): Slice) -> Answer {
    // In the wrong phase every section answers alike.
    let section = section(map).map_err(|_unknown| Status::BadArgument)?;
    let stream = call.stream()?;
    call.with_scratch(|call, scratch| {
        let name = call.read(name.0, name.1)?;
        let found = call.data().calls.header(&stream, section, name, &mut |value| {
            scratch.extend_from_slice(value);
        });
        found.map_err(answer::of_value)?;
        call.give(scratch, ptr_out, len_out)
    })
}

fn change(call: &Call<'_>, map: u32, write: FieldWrite<'_>) -> Answer {
    let section = section(map).map_err(|_unknown| Status::BadArgument)?;
    let stream = call.stream()?;
    answer::of_change(call.data().calls.write_header(&stream, section, write))
}
