use super::CallCounts;
use crate::HostCall;

#[test]
fn a_refused_call_is_counted_in_both_columns_and_a_granted_one_in_one() {
    let counts = CallCounts::default();
    counts.count(HostCall::Log, true);
    counts.count(HostCall::Log, false);
    counts.count(HostCall::Now, true);

    assert_eq!((counts.made(HostCall::Log), counts.refused(HostCall::Log)), (2, 1));
    assert_eq!((counts.made(HostCall::Now), counts.refused(HostCall::Now)), (1, 0));
    assert_eq!((counts.made(HostCall::Body), counts.refused(HostCall::Body)), (0, 0));
}
