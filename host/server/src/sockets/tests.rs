use std::sync::Arc;

use host_pipeline::{AcceptBalance, ListenerPlan, ListenerProtocol, TcpPlan};
use host_types::{Address, Limits};

use super::Sockets;

fn plan(name: &str, address: &str, balance: AcceptBalance) -> Arc<ListenerPlan> {
    Arc::new(ListenerPlan {
        name: name.into(),
        address: address.parse::<Address>().expect("an address"),
        balance,
        limits: Limits::default(),
        network_filters: Vec::new(),
        protocol: ListenerProtocol::Tcp(TcpPlan { cluster: "app".into() }),
    })
}

#[test]
fn every_worker_gets_a_socket_of_the_same_port_and_a_reload_keeps_it() {
    let mut sockets = Sockets::default();
    let first = plan("l", "127.0.0.1:0", AcceptBalance::Kernel);
    let prepared = sockets.prepare([&*first].into_iter(), 3).expect("free ports");
    let (_, spread) = prepared.spread.first().expect("a listener");
    let ports: Vec<u16> =
        spread.iter().map(|socket| socket.local_addr().expect("bound").port()).collect();
    assert_eq!(ports.len(), 3);
    assert!(ports.iter().all(|port| Some(port) == ports.first()), "{ports:?}");
    sockets.commit(&prepared);
    let address = sockets.address(&first.name).expect("bound");
    assert_eq!(Some(&address.port()), ports.first());

    let again = sockets.prepare([&*first].into_iter(), 3).expect("nothing to bind");
    assert!(again.spread.is_empty());
    sockets.commit(&again);
    assert_eq!(sockets.address(&first.name), Some(address));
}

#[test]
fn another_balance_binds_again_and_a_listener_that_is_gone_is_forgotten() {
    let mut sockets = Sockets::default();
    let kernel = plan("l", "127.0.0.1:0", AcceptBalance::Kernel);
    let prepared = sockets.prepare([&*kernel].into_iter(), 1).expect("a free port");
    sockets.commit(&prepared);
    let address = sockets.address(&kernel.name).expect("bound").to_string();
    let exact = plan("l", &address, AcceptBalance::Exact);
    let former = prepared; // still bound
    let prepared = sockets.prepare([&*exact].into_iter(), 1).expect("the same port");
    drop(former);
    assert_eq!((prepared.spread.len(), prepared.exact.len()), (0, 1));
    sockets.commit(&prepared);
    let none = sockets.prepare(std::iter::empty(), 1).expect("nothing to bind");
    sockets.commit(&none);
    assert_eq!(sockets.address(&exact.name), None);
}

#[test]
fn an_address_that_is_taken_changes_nothing() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound");
    let sockets = Sockets::default();
    let plan = plan("l", &address.to_string(), AcceptBalance::Kernel);
    let error = sockets.prepare([&*plan].into_iter(), 2).expect_err("the port is taken");
    assert_eq!(error.address, address);
    assert_eq!(sockets.address(&plan.name), None);
}
