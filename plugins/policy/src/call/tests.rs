use std::collections::HashSet;

use super::HostCall;

#[test]
fn the_index_is_the_place_in_the_list() {
    for (place, call) in HostCall::ALL.into_iter().enumerate() {
        assert_eq!(call.index(), place, "{call:?}");
    }
}

#[test]
fn no_two_calls_share_a_label() {
    let labels: HashSet<_> = HostCall::ALL.into_iter().map(HostCall::label).collect();
    assert_eq!(labels.len(), HostCall::ALL.len());
}
