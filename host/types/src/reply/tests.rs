use super::ReplyReason;

#[test]
fn every_reason_has_its_own_place_in_the_table_of_labels() {
    let all = [
        ReplyReason::Upstream,
        ReplyReason::Route,
        ReplyReason::Plugin("p".into()),
        ReplyReason::PluginFailed("p".into()),
        ReplyReason::NoRoute,
        ReplyReason::NoEndpoint,
        ReplyReason::UpstreamFailed,
        ReplyReason::Timeout,
        ReplyReason::Overload,
        ReplyReason::Malformed,
        ReplyReason::Denied,
        ReplyReason::Drain,
        ReplyReason::ClientGone,
        ReplyReason::Internal,
    ];
    for (place, reason) in all.iter().enumerate() {
        assert_eq!(reason.index(), place);
        assert_eq!(ReplyReason::LABELS.get(place), Some(&reason.label()));
    }
    assert_eq!(all.len(), ReplyReason::LABELS.len());
}
