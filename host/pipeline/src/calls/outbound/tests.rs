use super::*;

fn pairs(pairs: &[(&str, &str)]) -> Pairs {
    pairs
        .iter()
        .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
        .collect()
}

const HEAD: [(&str, &str); 3] =
    [(":method", "GET"), (":path", "/p?q"), (":authority", "auth.test:81")];

fn with(more: &[(&str, &str)]) -> CallResult<Request<()>> {
    request_head(&pairs(&[&HEAD[..], more].concat()))
}

#[test]
fn a_head_is_made_of_pairs() {
    let request = with(&[("X-Two", "1"), ("x-two", "2")]).unwrap();
    assert_eq!(request.method(), Method::GET);
    assert_eq!(request.uri(), "http://auth.test:81/p?q");
    assert_eq!(request.headers().get_all("x-two").iter().count(), 2);
    let secure = with(&[(":scheme", "https"), ("host", "other.test")]).unwrap();
    assert_eq!(secure.uri(), "https://auth.test:81/p?q");
    let host = [(":method", "OPTIONS"), (":path", "*"), ("Host", "h.test")];
    let request = request_head(&pairs(&host)).unwrap();
    assert_eq!(request.uri().authority().unwrap(), "h.test");
    assert_eq!(request.uri().path(), "*");
}

#[test]
fn framing_and_hop_by_hop_fields_are_not_taken_over() {
    let ours = [
        ("content-length", "77"),
        ("transfer-encoding", "chunked"),
        ("connection", "keep-alive, x-named"),
        ("x-named", "1"),
        ("upgrade", "h2c"),
        ("expect", "100-continue"),
        ("trailer", "x"),
    ];
    assert!(with(&ours).unwrap().headers().is_empty());
}

#[test]
fn what_cannot_be_sent_is_a_bad_argument() {
    for missing in 0..HEAD.len() {
        let mut head = HEAD.to_vec();
        head.remove(missing);
        assert_eq!(request_head(&pairs(&head)).err(), Some(CallError::BadArgument), "{head:?}");
    }
    for bad in [
        (":path", "no-slash"),
        (":path", "/a b"),
        (":path", ""),
        (":method", "G E T"),
        (":method", "CONNECT"),
        (":authority", "a b"),
        (":authority", ""),
        (":scheme", "gopher"),
        (":status", "200"),
        (":", ""),
        ("host", "a b"),
        ("", "1"),
        ("a b", "1"),
        ("x", "1\r\nevil: 1"),
        ("x", "\0"),
    ] {
        assert_eq!(with(&[bad]).err(), Some(CallError::BadArgument), "{bad:?}");
    }
    let trailers = pairs(&[(":status", "200")]);
    assert_eq!(fields(&trailers).err(), Some(CallError::BadArgument));
}

#[test]
fn a_head_takes_only_so_much() {
    let many = vec![("x", "1"); HEADER_COUNT_MAX];
    assert_eq!(with(&many).err(), Some(CallError::LimitReached));
    let long = "1".repeat(HEADER_BYTES_MAX);
    assert_eq!(with(&[("x", &long)]).err(), Some(CallError::LimitReached));
}

#[test]
fn places_are_given_back() {
    let outbound = Outbound::default();
    let calls: Vec<Permit> = (0..CALLS_MAX).map(|_| outbound.call(0).unwrap()).collect();
    assert_eq!(outbound.call(0).err(), Some(CallError::LimitReached));
    assert!(outbound.timer().is_ok(), "timers have room of their own");
    drop(calls);
    let all = outbound.call(CALL_BYTES_MAX).unwrap();
    assert_eq!(outbound.call(1).err(), Some(CallError::LimitReached));
    assert_eq!(outbound.call(usize::MAX).err(), Some(CallError::LimitReached));
    assert!(outbound.call(0).is_ok());
    drop(all);
    assert!(outbound.call(1).is_ok());
    assert_eq!([&outbound.calls, &outbound.bytes].map(|all| all.load(Ordering::Relaxed)), [0, 0]);
    let timers: Vec<Permit> = (0..TIMERS_MAX).map(|_| outbound.timer().unwrap()).collect();
    assert_eq!(outbound.timer().err(), Some(CallError::LimitReached));
    drop(timers);
}

#[test]
fn a_share_grows_and_shrinks_within_what_others_leave() {
    let outbound = Outbound::default();
    let mut share = outbound.bytes();
    share.resize(CALL_BYTES_MAX).unwrap();
    assert_eq!(share.resize(CALL_BYTES_MAX + 1), Err(CallError::LimitReached));
    assert_eq!(outbound.call(1).err(), Some(CallError::LimitReached), "it stayed as it was");
    share.resize(CALL_BYTES_MAX - 10).unwrap();
    let other = share.more(10).unwrap();
    assert_eq!(share.more(1).err(), Some(CallError::LimitReached));
    drop((share, other));
    assert_eq!(outbound.bytes.load(Ordering::Relaxed), 0);
}
