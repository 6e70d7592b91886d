//! The numbers by which a response says how the call ended.

pub(super) const SUCCESS: u16 = 0;
const SERVER_EXCEPTION: u16 = 2;
const UNKNOWN: u16 = 3;
const SERVER_BUSY: u16 = 4;
const NO_PROCESSOR: u16 = 6;
const TIMEOUT: u16 = 7;
const CODEC_EXCEPTION: u16 = 9;
const CONNECTION_CLOSED: u16 = 16;

/// What HTTP would say.
pub(super) fn http(status: u16) -> u16 {
    match status {
        SUCCESS => 200,
        SERVER_BUSY => 503,
        TIMEOUT => 504,
        CONNECTION_CLOSED => 502,
        _ => 500,
    }
}

/// The protocol's own number for what HTTP would say. A redirect leads nowhere here: it is an
/// error.
pub(super) fn of_http(status: u16) -> u16 {
    match status {
        200..=299 => SUCCESS,
        400 => CODEC_EXCEPTION,
        403 => SERVER_EXCEPTION,
        404 | 502 => NO_PROCESSOR,
        429 | 503 => SERVER_BUSY,
        504 => TIMEOUT,
        _ => UNKNOWN,
    }
}
