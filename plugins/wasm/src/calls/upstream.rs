//! The upstream of a gRPC call: the name of a cluster, or the message in which Envoy describes
//! a service, of which only the name of its cluster means something here.

/// The field of `GrpcService` that describes a cluster of the proxy's own, and the field in
/// there that has its name.
const ENVOY_GRPC: u64 = 1;
const CLUSTER_NAME: u64 = 1;

/// What a message begins with whose first field is [`ENVOY_GRPC`]. No name of a cluster does.
const MESSAGE_START: u8 = 0x0A;

/// The name of the cluster.
pub(super) fn cluster(upstream: &[u8]) -> Option<&str> {
    let name = if upstream.first() == Some(&MESSAGE_START) {
        field(field(upstream, ENVOY_GRPC)?, CLUSTER_NAME)?
    } else {
        upstream
    };
    std::str::from_utf8(name).ok()
}

/// The bytes of a field of a protobuf message; of several the last, as its readers have it.
fn field(mut message: &[u8], wanted: u64) -> Option<&[u8]> {
    let mut found = None;
    while !message.is_empty() {
        let (tag, rest) = varint(message)?;
        let (bytes, rest) = match tag & 7 {
            0 => (&[][..], varint(rest)?.1),
            1 => rest.split_at_checked(8)?,
            2 => {
                let (length, rest) = varint(rest)?;
                let field = rest.split_at_checked(usize::try_from(length).ok()?)?;
                if tag >> 3 == wanted {
                    found = Some(field.0);
                }
                field
            }
            5 => rest.split_at_checked(4)?,
            _ => return None,
        };
        debug_assert!(bytes.len() + rest.len() <= message.len(), "a field is part of its message");
        message = rest;
    }
    found
}

/// A number of seven bits a byte, and what is behind it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (at, byte) in bytes.iter().enumerate().take(10) {
        number |= u64::from(byte & 0x7F).checked_shl(u32::try_from(at).ok()? * 7)?;
        if byte & 0x80 == 0 {
            return Some((number, bytes.get(at + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests;
