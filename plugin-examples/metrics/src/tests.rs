use mortise_sdk::{
    Action,
    testing::{TestHost, request, response},
};

use super::Metrics;

#[test]
fn requests_are_counted_over_all_copies() {
    let host = TestHost::start::<Metrics>("").expect("it starts");
    let other = host.another().expect("it starts");
    let head = request("GET", "/");
    let bytes: usize = head.iter().map(|(name, value)| name.len() + value.len()).sum();
    for (number, host) in [&host, &other, &host].into_iter().enumerate() {
        let stream = host.stream(head.clone());
        assert_eq!(stream.request_headers(true), Action::Continue);
        assert_eq!(host.metric("requests_under_way"), Some(1));
        assert_eq!(stream.response_headers(response(200), true), Action::Continue);
        let head = stream.answered().head.expect("it passed");
        assert_eq!(head.get_str("x-request-number"), Some((number + 1).to_string().as_str()));
        stream.complete();
        assert_eq!(host.metric("requests_under_way"), Some(0));
    }
    assert_eq!(other.metric("requests"), Some(3));
    assert_eq!(host.observed("request_head_bytes"), [bytes as u64; 3]);
}

#[test]
fn a_stream_that_never_began_changes_nothing() {
    let host = TestHost::start::<Metrics>("{}").expect("it starts");
    host.stream(request("GET", "/")).complete();
    assert_eq!(host.metric("requests_under_way"), Some(0));
    assert_eq!(host.metric("requests"), Some(0));
}
