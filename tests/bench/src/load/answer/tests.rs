use super::*;

#[track_caller]
fn check(response: &str, bytes: usize, expect: Option<bool>) {
    let is_whole = whole(response.as_bytes(), bytes).ok().map(|head| head.is_some());
    assert_eq!(is_whole, expect, "{response}");
}

#[test]
fn only_a_200_of_the_right_length_counts() {
    check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", 3, Some(true));
    check("HTTP/1.1 200 OK\r\ncontent-length:3\r\n\r\nabc", 3, Some(true));
    check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nab", 3, Some(false));
    check("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcd", 3, None);
    check("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nabcd", 3, None);
    check("HTTP/1.1 200 OK\r\n\r\nabc", 3, None);
    check("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 3\r\n\r\nabc", 3, None);
    check("HTTP/1.1 200 OK\r\ncontent-le", 3, Some(false));
}

#[test]
fn chunks_are_summed() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let whole = "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n";
    for cut in 0..whole.len() {
        check(&format!("{head}{}", whole.get(..cut).unwrap()), 3, Some(false));
    }
    check(&format!("{head}{whole}"), 3, Some(true));
    check(&format!("{head}{whole}"), 4, None);
    check(&format!("{head}{whole}H"), 3, None);
    check(&format!("{head}x\r\n"), 3, None);
}
