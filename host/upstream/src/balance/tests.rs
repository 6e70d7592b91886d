use std::{collections::HashMap, net::SocketAddr};

use tokio::time::Instant;

use super::{Balancer, Health, Picked};
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

/// The next one of endpoints that are all well.
fn next(balancer: &mut Balancer) -> Picked {
    choose(balancer, &[]).unwrap()
}

fn choose(balancer: &mut Balancer, tried: &[SocketAddr]) -> Option<Picked> {
    balancer.choose(tried, &mut Health::default(), Instant::now())
}

fn shares(balancer: &mut Balancer, count: usize) -> HashMap<u16, usize> {
    let mut shares = HashMap::new();
    for _ in 0..count {
        *shares.entry(next(balancer).address.port()).or_default() += 1;
    }
    shares
}

#[test]
fn no_endpoint_is_no_choice() {
    for kind in [Balance::RoundRobin, Balance::LeastRequest] {
        assert!(choose(&mut balancer(kind, &[]), &[]).is_none());
        assert_eq!(next(&mut balancer(kind, &[3])).address, address(1));
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
    let turns: Vec<u16> = (0..70).map(|_| next(&mut balancer).address.port()).collect();
    let longest = turns.split(|port| *port != 1).map(<[u16]>::len).max().unwrap();
    assert!(longest <= 4, "{longest} in a row: {turns:?}");
}

#[test]
fn equal_endpoints_take_turns() {
    let mut balancer = balancer(Balance::RoundRobin, &[1, 1, 1]);
    let turns: Vec<u16> = (0..9).map(|_| next(&mut balancer).address.port()).collect();
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
        let picked = next(&mut balancer);
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
    let stuck = next(&mut balancer);
    stuck.active.set(10);
    for _ in 0..100 {
        assert_ne!(next(&mut balancer).address, stuck.address);
    }
}

#[test]
fn an_update_keeps_what_is_in_flight_and_merges_doubles() {
    let mut balancer = balancer(Balance::RoundRobin, &[1]);
    next(&mut balancer).active.set(4);
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

#[test]
fn what_was_tried_is_chosen_where_there_is_nothing_else() {
    for kind in [Balance::RoundRobin, Balance::LeastRequest] {
        let mut balancer = balancer(kind, &[1, 50, 1]);
        for entry in &balancer.entries {
            // What was tried is idle, as a dead endpoint is.
            entry.active.set(if entry.address == address(2) { 0 } else { 9 });
        }
        for _ in 0..100 {
            let left = choose(&mut balancer, &[address(2)]).unwrap().address;
            assert!([address(1), address(3)].contains(&left), "{kind:?}");
            let left = choose(&mut balancer, &[address(2), address(3)]).unwrap().address;
            assert_eq!(left, address(1), "{kind:?}");
        }
        let all = [address(1), address(2), address(3)];
        assert!(choose(&mut balancer, &all).is_some(), "{kind:?}");
    }
}

#[test]
fn a_choice_besides_does_not_cost_the_one_that_was_tried_its_turn() {
    let mut balancer = balancer(Balance::RoundRobin, &[1, 1]);
    let first = next(&mut balancer).address;
    assert_ne!(next(&mut balancer).address, first);
    for _ in 0..3 {
        assert_ne!(choose(&mut balancer, &[first]).unwrap().address, first);
    }
    assert_eq!(next(&mut balancer).address, first);
}

#[test]
fn what_refused_is_chosen_last() {
    let now = Instant::now();
    for kind in [Balance::RoundRobin, Balance::LeastRequest] {
        let mut balancer = balancer(kind, &[1, 1]);
        let mut health = Health::default();
        health.refused(address(1), now);
        let mut choose = |tried: &[SocketAddr], health: &mut Health| {
            balancer.choose(tried, health, now).unwrap().address
        };
        for _ in 0..50 {
            assert_eq!(choose(&[], &mut health), address(2), "{kind:?}");
            // Tried, but it answers.
            assert_eq!(choose(&[address(2)], &mut health), address(2), "{kind:?}");
        }
        health.refused(address(2), now);
        assert_eq!(choose(&[address(2)], &mut health), address(1), "{kind:?}");
        assert_eq!(choose(&[address(1)], &mut health), address(2), "{kind:?}");
    }
}
