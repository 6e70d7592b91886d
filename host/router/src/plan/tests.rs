use super::*;

#[test]
fn weights_share_the_picks_exactly() {
    let clusters = vec![("a".into(), 1), ("none".into(), 0), ("b".into(), 3)];
    let clusters = WeightedClusters::new(clusters).unwrap();
    let picked: Vec<_> = (0..8).map(|pick| clusters.pick(pick).as_str()).collect();
    assert_eq!(picked, ["a", "b", "b", "b", "a", "b", "b", "b"]);
    assert_eq!(clusters.pick(u64::MAX).as_str(), "b");
}

#[test]
fn weights_that_are_all_zero_are_refused() {
    assert_eq!(WeightedClusters::new(vec![("a".into(), 0)]), Err(ClusterWeightError));
    assert_eq!(WeightedClusters::new(Vec::new()), Err(ClusterWeightError));
}

#[test]
fn the_largest_weights_do_not_overflow() {
    let clusters = vec![("a".into(), u32::MAX), ("b".into(), u32::MAX)];
    let clusters = WeightedClusters::new(clusters).unwrap();
    assert_eq!(clusters.pick(u64::from(u32::MAX)).as_str(), "b");
}
