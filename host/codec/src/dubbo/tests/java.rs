//! Payloads as the Hessian of Dubbo for Java writes them: objects that refer to themselves, and to
//! arguments from the attachments.

use super::*;

/// The arguments: an object whose `next` is itself, an array of longs, and a list of that object,
/// an emoji, a date, an enum, 1.5 and some bytes.
const ARGUMENTS: &[u8] = b"C\x08Gold$Car\x93\x04next\x04year\x05color`Q\x90\xcf\xea\x03red\
    r\x05[long\xe1L\x00\x00\x01\x00\x00\x00\x00\x00\
    v\x13java.util.ArrayListQ\x90\x02\xed\xa0\xbd\xed\xb8\x80J\x00\x00\x00\x00\x00\x00\x03\xe8\
    C\x0aGold$Color\x91\x04namea\x03RED_\x00\x00\x05\xdc\x22\x01\x02";

/// The attachments: a linked map with a timeout that is a number, and the object.
const ATTACHMENTS: &[u8] = b"M\x17java.util.LinkedHashMap\x09interface\x0dcom.demo.Echo\
    \x07timeout\xcd\xdc\x03carQ\x90\x05trace\x02\xed\xa0\xbd\xed\xb8\x80Z";

/// An exception with one line of its stack.
const EXCEPTION: &[u8] = b"C\x1fjava.lang.IllegalStateException\x94\
    \x14suppressedExceptions\x0astackTrace\x05cause\x0ddetailMessage`\
    p\x1fjava.util.Collections$EmptyListq\x1c[java.lang.StackTraceElement\
    C\x1bjava.lang.StackTraceElement\x98\x06format\x0alineNumber\x08fileName\x0amethodName\
    \x0edeclaringClass\x0dmoduleVersion\x0amoduleName\x0fclassLoaderName\
    a\x90\x97\x09Echo.java\x03say\x0dcom.demo.EchoNNNQ\x90\x02no";

fn request(attachments: &[u8]) -> Vec<u8> {
    let types = "Lcom/demo/Car;[JLjava/util/List;";
    let names = strings(&["2.0.2", "com.demo.Echo", "0.0.0", "say", types]);
    wire(REQUEST_FLAGS, 0, &[&names, ARGUMENTS, attachments].concat())
}

#[test]
fn a_request_with_objects_is_read() {
    let frame = frame(&request(ATTACHMENTS));
    assert_eq!(frame.malformed, None);
    assert_eq!(&frame.body[..], ARGUMENTS);
    assert_eq!(frame.timeout, Some(Duration::from_millis(1500)));
    assert_eq!(field(&frame, "trace"), "\u{1f600}");
    assert_eq!(frame.fields.get(b"car"), None);
}

#[test]
fn what_refers_to_arguments_is_kept_where_others_change() {
    let mut frame = frame(&request(ATTACHMENTS));
    frame.fields.replace(b"trace", b"1").unwrap();
    let expect = b"M\x17java.util.LinkedHashMap\x07timeout\xcd\xdc\x03carQ\x90\
        \x09interface\x0dcom.demo.Echo\x05trace\x011Z";
    assert_eq!(encode(&frame, false).unwrap(), request(expect));
    assert_eq!(encode(&frame, true), None, "it may not refer to other arguments");
}

#[test]
fn an_exception_is_read_and_kept() {
    let response = |rest: &[u8]| wire(head::HESSIAN, OK, &[&b"\x93"[..], EXCEPTION, rest].concat());
    let mut frame = frame(&response(b"H\x05dubbo\x052.0.2Z"));
    assert_eq!(frame.malformed, None);
    assert_eq!(&frame.body[..], EXCEPTION);
    assert_eq!((field(&frame, "dubbo"), field(&frame, ":exception")), ("2.0.2", "true"));
    frame.fields.add(b"a", b"b").unwrap();
    let expect = response(b"H\x05dubbo\x052.0.2\x01a\x01bZ");
    assert_eq!(encode(&frame, false).unwrap(), expect);
}
