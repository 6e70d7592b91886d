use super::cluster;

#[track_caller]
fn check(upstream: &[u8], expect: Option<&str>) {
    assert_eq!(cluster(upstream), expect, "{upstream:?}");
}

#[test]
fn a_name_is_a_name() {
    check(b"auth", Some("auth"));
    check(b"", Some(""));
    check(b"\xFF", None);
}

#[test]
fn the_name_is_found_in_a_described_service() {
    check(b"\x0A\x06\x0A\x04auth", Some("auth"));
    // With an authority beside it, a timeout behind it, and a number of eight bytes.
    check(b"\x0A\x0A\x0A\x04auth\x12\x02me\x1A\x02\x08\x05\x21........", Some("auth"));
    check(b"\x0A\x0C\x0A\x04auth\x0A\x04last", Some("last"));
    check(b"\x0A\x08\x10\x07\x0A\x04auth\x2D....", Some("auth"));
}

#[test]
fn a_message_that_is_cut_off_or_wrong_names_nothing() {
    let whole = b"\x0A\x06\x0A\x04auth";
    for end in 1..whole.len() {
        check(&whole[..end], None);
    }
    check(b"\x0A\x00", None);
    check(b"\x0A\x06\x0B\x04auth", None);
    check(b"\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", None);
    check(b"\x0A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", None);
}
