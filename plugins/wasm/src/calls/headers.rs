//! Header maps: the four field sections of a stream, read and changed, and those that came
//! from an upstream, read only.

use abi_wasm::{AbiVersion, MapType, PairWriter, PairsError, Status, decode_pairs};
use host_extension::{FieldWrite, HeaderMapKind};
use host_types::Headers;
use wasmtime::Linker;

use super::{Answer, Call, Slice, answer, define};
use crate::{received::Section, state::VmData};

/// The section that a guest means.
#[derive(Clone, Copy)]
enum Map {
    /// One of the effective stream.
    Stream(HeaderMapKind),
    /// One that came from an upstream.
    Received(MapType),
}

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

/// The callback at the end of a stream.
const LOG: &str = "proxy_on_log";

impl Map {
    fn of(number: u32) -> Result<Self, Status> {
        let map = MapType::try_from(number).map_err(|_unknown| Status::BadArgument)?;
        Ok(match map {
            MapType::RequestHeaders => Self::Stream(HeaderMapKind::RequestHeaders),
            MapType::RequestTrailers => Self::Stream(HeaderMapKind::RequestTrailers),
            MapType::ResponseHeaders => Self::Stream(HeaderMapKind::ResponseHeaders),
            MapType::ResponseTrailers => Self::Stream(HeaderMapKind::ResponseTrailers),
            MapType::GrpcInitialMetadata
            | MapType::GrpcTrailingMetadata
            | MapType::HttpCallResponseHeaders
            | MapType::HttpCallResponseTrailers => Self::Received(map),
        })
    }
}

/// The bytes of all names and values.
fn size(call: &mut Call<'_>, map: u32, out: u32) -> Answer {
    let mut bytes = 0;
    match Map::of(map)? {
        Map::Received(map) => {
            let section = call.data().received.section(map).ok_or(Status::BadArgument)?;
            if let Section::Fields(headers) = section {
                bytes = headers.byte_size();
            }
        }
        Map::Stream(kind) => {
            let count = &mut |headers: &Headers| bytes = headers.byte_size();
            let shown = call.host().headers(&*call.stream()?, kind, count);
            shown.map_err(answer::of_value)?;
        }
    }
    let bytes = u32::try_from(bytes).map_err(|_wide| Status::InternalFailure)?;
    Ok(call.write_u32(out, bytes)?)
}

/// A section that is not there reads as an empty one.
fn pairs(call: &mut Call<'_>, map: u32, (ptr_out, len_out): Slice) -> Answer {
    let map = Map::of(map)?;
    call.with_scratch(|call, scratch| {
        let mut encoded = Ok(());
        let mut show = |headers: &Headers| encoded = encode(headers, scratch);
        match map {
            Map::Received(map) => {
                if let Some(Section::Fields(headers)) = call.data().received.section(map) {
                    show(headers);
                }
            }
            Map::Stream(kind) => {
                let Ok(stream) = call.stream() else { return call.give(&[], ptr_out, len_out) };
                answer::of_whole(call.host().headers(&stream, kind, &mut show))?;
            }
        }
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

/// Bytes that are no map are an empty one, as in other hosts: a plugin that writes them is
/// used to that.
fn set_pairs(call: &Call<'_>, map: u32, (ptr, len): Slice) -> Answer {
    let pairs = decode_pairs(call.read(ptr, len)?).unwrap_or_default();
    change(call, map, FieldWrite::SetAll(&pairs))
}

fn value(call: &mut Call<'_>, map: u32, name: Slice, (ptr_out, len_out): Slice) -> Answer {
    let map = Map::of(map)?;
    call.with_scratch(|call, scratch| {
        let name = call.read(name.0, name.1)?;
        let found = match map {
            Map::Received(map) => received_value(call, map, name, scratch),
            Map::Stream(kind) => stream_value(call, kind, name, scratch),
        };
        match found {
            // A guest of that version takes what is not there for empty.
            Err(Status::NotFound) if call.data().version == AbiVersion::V0_1_0 => {}
            // At the end of a stream a section may never have come, which is no mistake.
            Err(Status::BadArgument) if call.data().duty().callback == LOG => {
                return Err(Status::NotFound.into());
            }
            found => found?,
        }
        call.give(scratch, ptr_out, len_out)
    })
}

fn stream_value(
    call: &Call<'_>,
    kind: HeaderMapKind,
    name: &[u8],
    value: &mut Vec<u8>,
) -> Result<(), Status> {
    let show = &mut |found: &[u8]| value.extend_from_slice(found);
    call.host().header(&*call.stream()?, kind, name, show).map_err(answer::of_value)
}

/// In the wrong phase every section answers alike.
fn received_value(
    call: &Call<'_>,
    map: MapType,
    name: &[u8],
    value: &mut Vec<u8>,
) -> Result<(), Status> {
    let Section::Fields(headers) = call.data().received.section(map).ok_or(Status::BadArgument)?
    else {
        return Err(Status::NotFound);
    };
    value.extend_from_slice(headers.get(name).ok_or(Status::NotFound)?);
    Ok(())
}

fn change(call: &Call<'_>, map: u32, write: FieldWrite<'_>) -> Answer {
    let Map::Stream(kind) = Map::of(map)? else { return Err(Status::BadArgument.into()) };
    answer::of_change(call.host().write_header(&*call.stream()?, kind, write))
}
