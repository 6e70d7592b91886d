//! The content of a response that says in words what went wrong.
//!
//! A peer's client reads the content of a failed call as a Java exception, in hessian as the
//! peers of this protocol write it (the draft of its version 2): the definition of a class with
//! two fields, then an object of it. It shows the message where the status is a server's exception
//! (2); with other statuses the status alone is shown. Clients in JavaScript show the message
//! always; they know an exception by its stack, which is empty here.

use bytes::BufMut;

/// The class of the exception.
pub(super) const CLASS: &str = "com.alipay.remoting.rpc.exception.RpcServerException";

/// Most characters of a message.
const MESSAGE_CHARS_MAX: usize = 1000;

/// An exception with this message.
pub(super) fn saying(message: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(CLASS.len() + message.len() + 32);
    out.put_u8(b'O');
    put_int(&mut out, CLASS.len());
    out.put_slice(CLASS.as_bytes());
    put_int(&mut out, 2);
    put_string(&mut out, "detailMessage");
    put_string(&mut out, "stackTrace");
    out.put_u8(b'o');
    put_int(&mut out, 0);
    put_string(&mut out, message);
    out.put_slice(NO_STACK);
    out
}

/// A small number, in one byte or two.
fn put_int(out: &mut Vec<u8>, number: usize) {
    let number = u16::try_from(number).unwrap_or(u16::MAX).min(INT_MAX);
    let [high, low] = number.to_be_bytes();
    if number <= ONE_BYTE_INT_MAX {
        out.put_u8(ONE_BYTE_INT + low);
    } else {
        out.put_slice(&[TWO_BYTES_INT + high, low]);
    }
}

/// A text; its length counts characters of 16 bits, so others are written as the mark of an
/// unknown one.
fn put_string(out: &mut Vec<u8>, text: &str) {
    let known =
        |char: char| if u32::from(char) > 0xffff { char::REPLACEMENT_CHARACTER } else { char };
    let text: String = text.chars().take(MESSAGE_CHARS_MAX).map(known).collect();
    let chars = u16::try_from(text.chars().count()).unwrap_or(u16::MAX);
    let [high, low] = chars.to_be_bytes();
    if chars <= SHORT_STRING_MAX {
        out.put_u8(low);
    } else {
        out.put_slice(&[b'S', high, low]);
    }
    out.put_slice(text.as_bytes());
}

/// An array of no elements of a stack.
const NO_STACK: &[u8] = b"Vt\x00\x1c[java.lang.StackTraceElementn\x00z";
/// The number 0, and behind it those to 47.
const ONE_BYTE_INT: u8 = 0x90;
const ONE_BYTE_INT_MAX: u16 = 47;
/// The upper byte of a number up to 2047.
const TWO_BYTES_INT: u8 = 0xc8;
const INT_MAX: u16 = 2047;
const SHORT_STRING_MAX: u16 = 31;
