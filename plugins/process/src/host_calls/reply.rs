//! The local reply: a plugin answers the client in the upstream's place.

use abi_process::v1;
use host_extension::LocalReply;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

use crate::session::Instance;

/// The reply that a child describes.
///
/// Pseudo-header fields are skipped: the status is given beside them. So are fields that no
/// message can carry: a plugin that refuses a request must not fail over the looks of its refusal.
///
/// # Errors
/// The status, where it is none of a whole response: it would make the client wait for more.
pub(crate) fn local_reply(instance: &Instance, response: v1::Response) -> Result<LocalReply, u32> {
    let v1::Response { status: number, fields, body, grpc_status, details } = response;
    let status = u16::try_from(number).ok().filter(|number| (200..=599).contains(number));
    let status = status.and_then(|number| StatusCode::from_u16(number).ok()).ok_or(number)?;
    let mut headers = HeaderMap::with_capacity(fields.len().min(FIELDS_EXPECTED_MAX));
    for field in fields {
        let field =
            (HeaderName::from_bytes(&field.name), HeaderValue::from_maybe_shared(field.value));
        if let (Ok(name), Ok(value)) = field
            && headers.try_append(name, value).is_err()
        {
            break; // as many as any message can have
        }
    }
    let details = instance.lines.borrow().cut(details.as_bytes()).into();
    Ok(LocalReply { status, headers, body, grpc_status, details })
}

const FIELDS_EXPECTED_MAX: usize = 32;

#[cfg(test)]
mod tests;
