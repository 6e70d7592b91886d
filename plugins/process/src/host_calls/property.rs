//! Properties: what the host knows of a stream or connection, by path.

use abi_process::v1;
use bytes::Bytes;
use host_extension::{CallError, CallResult};

use super::Asker;
use crate::session::Context;

/// Most bytes of a path.
const PATH_BYTES_MAX: usize = 1024;

/// The bytes of a property.
pub(super) fn read(asker: &Asker<'_>, get: &v1::GetProperty) -> CallResult<Bytes> {
    let segments = segments(&get.path, &get.segments);
    if is_too_long(&segments) {
        return Err(CallError::NotFound); // nothing has so long a name
    }
    let own = match segments.as_slice() {
        [b""] => return Err(CallError::BadArgument),
        [b"plugin_name"] => Some(asker.link.name.as_str()),
        [b"plugin_root_id"] => Some(&*asker.spec.root_id),
        [b"plugin_vm_id"] => Some(asker.link.vm_id.as_deref().unwrap_or_default()),
        _ => None,
    };
    if let Some(own) = own {
        return Ok(Bytes::copy_from_slice(own.as_bytes()));
    }
    let value = asker.calls.property(asker.subject(), &segments)?;
    let mut bytes = Vec::new();
    value.encode(&mut bytes).map_err(|_too_large| CallError::LimitReached)?;
    Ok(bytes.into())
}

/// Sets a property that others can read.
pub(super) fn write(asker: &Asker<'_>, set: &v1::Property) -> CallResult<()> {
    let segments = segments(&set.path, &set.segments);
    if is_too_long(&segments) || segments == [b""] {
        return Err(CallError::BadArgument);
    }
    asker.calls.set_property(asker.subject(), &segments, &set.value)
}

fn segments<'a>(path: &'a str, segments: &'a [Bytes]) -> Vec<&'a [u8]> {
    if segments.is_empty() {
        path.split('.').map(str::as_bytes).collect()
    } else {
        segments.iter().map(|segment| &**segment).collect()
    }
}

fn is_too_long(segments: &[&[u8]]) -> bool {
    let length: usize = segments.iter().map(|segment| segment.len() + 1).sum();
    length > PATH_BYTES_MAX
}

/// A property that is sent along with a context; none where it is not known.
pub(crate) fn property_along(context: &Context, path: &str) -> Option<v1::Property> {
    let instance = &context.instance;
    let asker = Asker {
        calls: instance.calls(),
        link: instance.link(),
        spec: &instance.spec,
        context: Some(context),
        instance: Some(instance),
    };
    let get = v1::GetProperty { path: path.to_owned(), segments: Vec::new() };
    let value = read(&asker, &get).ok()?;
    Some(v1::Property { path: get.path, value, segments: Vec::new() })
}
