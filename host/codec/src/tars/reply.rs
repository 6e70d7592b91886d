//! Responses of the proxy's own, and the numbers by which a response says how the call ended.

use bytes::Bytes;
use host_extension::Rejection;
use host_types::FieldList;

use super::{
    CONTEXT, DESCRIPTION, FUNCTION, RESULT_CODE, RESULT_DESCRIPTION, RETURN_CODE, SERVANT, TIMEOUT,
    TYPE, VERSION, is_tup,
    packet::{Form, Packet, edited},
    value::{put_bytes, put_int, put_map, put_text},
};
use crate::wire::words_of;

/// The response to a request that is refused, in the form that its version has.
pub(super) fn refusal(asked: &Packet, rejection: &Rejection<'_>) -> Option<Bytes> {
    let raw = &rejection.request.raw;
    let id = asked.int(raw, Form::Request.id())?;
    let number = |tag| asked.int(raw, tag).unwrap_or_default();
    let (version, message_type) = (number(VERSION), number(Form::Request.message_type()));
    let code = of_http(rejection.status);
    // Nobody reads the payload of a failure.
    let body = if code == SUCCESS { rejection.body } else { &[] };
    let text = if code == SUCCESS { rejection.message } else { words_of(rejection) };
    let mut out = vec![0; 4];
    put_int(&mut out, VERSION, version);
    put_int(&mut out, TYPE, 0);
    if is_tup(asked, raw) {
        put_int(&mut out, Form::Request.message_type(), message_type);
        put_int(&mut out, Form::Request.id(), id);
        for tag in [SERVANT, FUNCTION] {
            let text = asked.text(raw, tag).ok().flatten().and_then(|text| raw.get(text));
            put_text(&mut out, tag, text.unwrap_or_default())?;
        }
        let payload = if body.is_empty() { NO_ATTRIBUTES } else { body };
        put_bytes(&mut out, Form::Request.payload(), payload)?;
        put_int(&mut out, TIMEOUT, 0);
        put_map(&mut out, CONTEXT, rejection.fields)?;
        let mut status = FieldList::default();
        status.push(RESULT_CODE, code.to_string().as_bytes());
        status.push(RESULT_DESCRIPTION, text.as_bytes());
        put_map(&mut out, Form::Request.status(), &status)?;
    } else {
        put_int(&mut out, Form::Response.id(), id);
        put_int(&mut out, Form::Response.message_type(), message_type);
        put_int(&mut out, RETURN_CODE, code);
        put_bytes(&mut out, Form::Response.payload(), body)?;
        put_map(&mut out, Form::Response.status(), &FieldList::default())?;
        put_text(&mut out, DESCRIPTION, text.as_bytes())?;
        if rejection.fields.block().next().is_some() {
            put_map(&mut out, CONTEXT, rejection.fields)?;
        }
    }
    // Only writes the length.
    edited(&out, &[])
}

/// What HTTP would say.
pub(super) fn http(code: i32) -> u16 {
    match code {
        SUCCESS => 200,
        DECODE => 400,
        NO_FUNCTION | NO_SERVANT => 404,
        CONNECT => 502,
        QUEUE_TIMEOUT | OVERLOAD | NO_ENDPOINT => 503,
        TIMED_OUT => 504,
        _ => 500,
    }
}

/// The protocol's own number for what HTTP would say. A redirect leads nowhere here: it is an
/// error.
fn of_http(status: u16) -> i32 {
    match status {
        200..=299 => SUCCESS,
        400 => DECODE,
        404 => NO_SERVANT,
        429 | 503 => OVERLOAD,
        502 => CONNECT,
        504 => TIMED_OUT,
        _ => UNKNOWN,
    }
}

/// The payload of TUP is a map.
const NO_ATTRIBUTES: &[u8] = &[0x08, 0x0c];
const SUCCESS: i32 = 0;
const DECODE: i32 = -1;
const NO_FUNCTION: i32 = -3;
const NO_SERVANT: i32 = -4;
const QUEUE_TIMEOUT: i32 = -6;
const TIMED_OUT: i32 = -7;
const CONNECT: i32 = -8;
const OVERLOAD: i32 = -9;
const NO_ENDPOINT: i32 = -10;
const UNKNOWN: i32 = -99;
