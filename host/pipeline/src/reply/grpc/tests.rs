use super::*;
use crate::testing::{Setup, ask, fields, local};

fn answered(status: u16, text: &'static str, grpc_status: Option<u32>) -> LocalReply {
    let status = StatusCode::from_u16(status).unwrap();
    let mut reply = LocalReply { grpc_status, ..LocalReply::text(status, text) };
    answer_grpc(&mut reply);
    assert_eq!((reply.status, &*reply.body), (StatusCode::OK, &b""[..]));
    assert_eq!(reply.headers["content-type"], "application/grpc");
    reply
}

#[test]
fn a_grpc_request_is_known_by_its_content() {
    for (content, expect) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("application/grpc;x=y", true),
        ("application/grpc-web", false),
        ("application/json", false),
    ] {
        assert_eq!(is_grpc(&fields(&[("content-type", content)])), expect, "{content}");
    }
    assert!(!is_grpc(&HeaderMap::new()));
}

#[test]
fn the_status_is_what_was_said_or_the_counterpart_of_the_one_of_http() {
    for (status, said, expect) in [
        (403, None, "7"),
        (403, Some(5), "5"),
        (404, None, "12"),
        (503, None, "14"),
        (200, None, "2"),
        (200, Some(0), "0"),
    ] {
        assert_eq!(answered(status, "", said).headers["grpc-status"], expect, "{status} {said:?}");
    }
    let mut reply = LocalReply::text(StatusCode::FORBIDDEN, "");
    reply.headers.insert("grpc-status", HeaderValue::from_static("9"));
    answer_grpc(&mut reply);
    assert_eq!(reply.headers["grpc-status"], "9");
}

#[test]
fn the_body_becomes_the_message() {
    for (text, expect) in [("no entry\n", "no entry"), ("5 % \u{e4}\r\nb", "5 %25 %C3%A4%0D%0Ab")] {
        assert_eq!(answered(403, text, None).headers["grpc-message"], expect);
    }
    assert!(!answered(403, " \n", None).headers.contains_key("grpc-message"));
    let long = LocalReply::text(StatusCode::FORBIDDEN, "x".repeat(9000));
    let mut long = long;
    answer_grpc(&mut long);
    assert_eq!(long.headers["grpc-message"].len(), MESSAGE_BYTES_MAX);
}

#[test]
fn only_who_asks_in_grpc_is_answered_so() {
    local(async {
        let world = Setup::default().start().await;
        let plain = ask("GET", "/direct");
        let grpc = plain.replacen("\r\n\r\n", "\r\ncontent-type: application/grpc\r\n\r\n", 1);
        let answer = world.ask(&plain).await;
        assert!(!answer.contains("grpc"), "{answer}");
        let answer = world.ask(&grpc).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"), "{answer}");
        assert!(answer.contains("grpc-status: 2\r\n"), "{answer}");
        assert!(answer.contains("content-type: application/grpc\r\n"), "{answer}");
        world.finish().await;
    });
}
