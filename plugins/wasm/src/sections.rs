//! The field sections of a stream, for hosts that stand in for the real one: in the tests of
//! this crate and in its fuzz targets. No phase is looked at, and no limit.

use std::cell::RefCell;

use host_extension::{CallError, CallResult, FieldWrite, HeaderMapKind, Stream};
use host_types::Headers;

fn section(stream: &Stream, map: HeaderMapKind) -> &RefCell<Option<Headers>> {
    match map {
        HeaderMapKind::RequestHeaders => &stream.request.headers,
        HeaderMapKind::RequestTrailers => &stream.request.trailers,
        HeaderMapKind::ResponseHeaders => &stream.response.headers,
        HeaderMapKind::ResponseTrailers | _ => &stream.response.trailers,
    }
}

/// As the host call of that name.
pub(crate) fn header(
    stream: &Stream,
    map: HeaderMapKind,
    name: &[u8],
    show: &mut dyn FnMut(&[u8]),
) -> CallResult<()> {
    let headers = section(stream, map).borrow();
    show(headers.as_ref().ok_or(CallError::WrongPhase)?.get(name).ok_or(CallError::NotFound)?);
    Ok(())
}

/// As the host call of that name.
pub(crate) fn headers(
    stream: &Stream,
    map: HeaderMapKind,
    show: &mut dyn FnMut(&Headers),
) -> CallResult<()> {
    show(section(stream, map).borrow().as_ref().ok_or(CallError::WrongPhase)?);
    Ok(())
}

/// As the host call of that name.
pub(crate) fn write_header(
    stream: &Stream,
    map: HeaderMapKind,
    write: FieldWrite<'_>,
) -> CallResult<()> {
    let mut headers = section(stream, map).borrow_mut();
    let headers = headers.as_mut().ok_or(CallError::WrongPhase)?;
    let written = match write {
        FieldWrite::Add(name, value) => headers.add(name, value),
        FieldWrite::Replace(name, value) => headers.replace(name, value),
        FieldWrite::Remove(name) => headers.remove(name),
        FieldWrite::SetAll(pairs) => headers.set_all(pairs.iter().copied()),
    };
    written.map_err(|_refused| CallError::BadArgument)
}
