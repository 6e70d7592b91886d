//! The content of a response that says in words what went wrong: a Java exception in hessian 2, as
//! the clients of this protocol read it. It is the definition of a class of two fields, then an
//! object of it: the message, and a stack without elements.

/// The class of the exception.
pub(crate) const CLASS: &str = "com.alipay.remoting.rpc.exception.RpcServerException";

/// The definition of a class; its name has 52 bytes, and `0x92` is the number of its fields.
const DEFINITION: &[u8] = b"O\xc8\x34com.alipay.remoting.rpc.exception.RpcServerException\
\x92\x0ddetailMessage\x0astackTraceo\x90";
const NO_STACK: &[u8] = b"Vt\x00\x1c[java.lang.StackTraceElementn\x00z";
/// Most characters of a message.
const MESSAGE_CHARS_MAX: usize = 1000;

/// An exception with this message. A character of more than 16 bits would count as two, so it is
/// shown as an unknown one.
pub(crate) fn saying(message: &str) -> Vec<u8> {
    let known = |char: char| if char > '\u{ffff}' { char::REPLACEMENT_CHARACTER } else { char };
    let text: String = message.chars().take(MESSAGE_CHARS_MAX).map(known).collect();
    let chars = u16::try_from(text.chars().count()).unwrap_or_default();
    [DEFINITION, b"S", &chars.to_be_bytes(), text.as_bytes(), NO_STACK].concat()
}
