use std::time::{Duration, UNIX_EPOCH};

use super::rfc3339;

#[track_caller]
fn check(millis: u64, expect: &str) {
    assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_millis(millis)), expect);
}

#[test]
fn times_are_shown_in_utc_with_milliseconds() {
    check(0, "1970-01-01T00:00:00.000Z");
    check(951_782_399_999, "2000-02-28T23:59:59.999Z");
    check(951_782_400_000, "2000-02-29T00:00:00.000Z");
    check(951_868_800_001, "2000-03-01T00:00:00.001Z");
    check(1_709_208_000_500, "2024-02-29T12:00:00.500Z");
    check(1_735_689_599_000, "2024-12-31T23:59:59.000Z");
    check(4_107_542_400_000, "2100-03-01T00:00:00.000Z");
}

#[test]
fn times_that_cannot_be_shown_are_shown_as_the_nearest() {
    check(u64::MAX / 4, "9999-12-31T23:59:59.903Z");
    assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000Z");
}
