use std::{collections::HashMap, net::SocketAddr};

use super::Balancer;
use crate::{Balance, Endpoint};

fn address(port: u16) -> SocketAddr {
    ([127, 0, 0, 1], port).into()
}

/// Endpoints with ports 1, 2, 3, .. and these weights.
fn balancer(kind: Balance, weights: &[u32]) -> Balancer {
    let endpoints: Vec<Endpoint> = (1..)
        .zip(weights)
        .map(|(port, weight)| Endpoint { address: address(port), weight: *weight })
        .collect();
    let mut balancer = Balancer::new(kind, fastrand::Rng::with_seed(7));
    balancer.update(&endpoints);
    balancer
}

fn shares(balancer: &mut Balancer, count: usize) -> HashMap<u16, usize> {
    let mut shares = HashMap::new();
    for _ in 0..count {
        *shares.entry(balancer.choose().unwrap().address.port()).or_default() += 1;
    }
    shares
}

#[test]
fn no_endpoint_is_no_choice() {
    for kind in [Balance::RoundRobin, Balance::LeastRequest] {
        assert!(balancer(kind, &[]).choose().is_none());
        assert_eq!(balancer(kind, &[3]).choose().unwrap().address, address(1));
    }
}

#[test]
fn round_robin_is_exact_over_a_round() {
    let mut balancer = balancer(Balance::RoundRobin, &[5, 1, 1]);
    assert_eq!(shares(&mut balancer, 700), HashMap::from([(1, 500), (2, 100), (3, 100)]));
}

#[test]
fn round_robin_spreads_the_heavy_endpoint() {
    let mut balancer = balancer(Balance::RoundRobin, &[5, 1, 1]);
    let turns: Vec<u16> = (0..70).map(|_| balancer.choose().unwrap().address.port()).collect();
    let longest = turns.split(|port| *port != 1).map(<[u16]>::len).max().unwrap();
    assert!(longest <= 4, "{longest} in a row: {turns:?}");
}

#[test]
fn equal_endpoints_take_turns() {
    let mut balancer = balancer(Balance::RoundRobin, &[1, 1, 1]);
    let turns: Vec<u16> = (0..9).map(|_| balancer.choose().unwrap().address.port()).collect();
    for window in turns.windows(3) {
        let mut window = window.to_vec();
        window.sort_unstable();
        assert_eq!(window, [1, 2, 3], "{turns:?}");
    }
}

#[test]
fn least_request_follows_the_weights_while_idle() {
    let mut balancer = balancer(Balance::LeastRequest, &[6, 3, 1]);
    let shares = shares(&mut balancer, 10_000);
    for (port, expect) in [(1, 6000), (2, 3000), (3, 1000)] {
        let share = shares[&port];
        assert!(share.abs_diff(expect) < 300, "{port}: {share} of {expect}");
    }
}

#[test]
fn least_request_levels_requests_in_flight() {
    // Nothing ever finishes: what is in flight must follow the weights closely.
    let mut balancer = balancer(Balance::LeastRequest, &[1, 1, 1, 1, 2]);
    for _ in 0..6000 {
        let picked = balancer.choose().unwrap();
        picked.active.set(picked.active.get() + 1);
    }
    for entry in &balancer.entries {
        let expect = 1000 * entry.weight;
        assert!(entry.active.get().abs_diff(expect) < 40, "{entry:?}");
    }
}

#[test]
fn least_request_avoids_a_stuck_endpoint() {
    let mut balancer = balancer(Balance::LeastRequest, &[1, 1]);
    let stuck = balancer.choose().unwrap();
    stuck.active.set(10);
    for _ in 0..100 {
        assert_ne!(balancer.choose().unwrap().address, stuck.address);
    }
}

#[test]
fn an_update_keeps_what_is_in_flight_and_merges_doubles() {
    let mut balancer = balancer(Balance::RoundRobin, &[1]);
    balancer.choose().unwrap().active.set(4);
    let double = Endpoint { address: address(1), weight: 2 };
    balancer.update(&[double.clone(), Endpoint { address: address(2), weight: 1 }, double]);
    assert_eq!(balancer.entries.len(), 2);
    assert!(balancer.find(address(2)).is_some() && balancer.find(address(3)).is_none());
    let kept = balancer.entries.iter().find(|entry| entry.address == address(1)).unwrap();
    assert_eq!((kept.weight, kept.active.get()), (4, 4));
}

#[test]
fn a_zero_weight_counts_as_one() {
    let mut balancer = balancer(Balance::LeastRequest, &[0, 0]);
    assert_eq!(shares(&mut balancer, 100).len(), 2);
}
