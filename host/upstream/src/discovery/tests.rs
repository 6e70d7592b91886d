use std::{future::Future, net::IpAddr, pin::Pin, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::runtime::Handle;

use super::{Discovery, Resolve, ResolveError, Resolved, SourceKind};
use crate::{ClusterPlan, DnsName, EndpointSource, testing::plan};

/// Answers what the test set last.
#[derive(Default)]
struct Fake(Mutex<Vec<IpAddr>>);

impl Resolve for Fake {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
    ) -> Pin<Box<dyn Future<Output = Result<Resolved, ResolveError>> + Send + 'a>> {
        let addresses = self.0.lock().clone();
        Box::pin(async move {
            if addresses.is_empty() {
                return Err(ResolveError {
                    host: host.to_owned(),
                    what: "no such name".to_owned(),
                });
            }
            Ok(Resolved { addresses, time_to_live: Duration::ZERO })
        })
    }
}

fn named() -> ClusterPlan {
    let names = vec![DnsName { host: "app.test".to_owned(), port: 80 }];
    ClusterPlan { endpoints: EndpointSource::Dns(names), ..plan(&[]) }
}

fn ip(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

#[tokio::test]
async fn addresses_are_published_refreshed_and_kept_when_the_name_fails() {
    let fake = Arc::new(Fake::default());
    *fake.0.lock() = vec![ip(2), ip(1), ip(2)];
    let discovery = Discovery::new(Handle::current(), Arc::clone(&fake) as Arc<dyn Resolve>);
    let mut endpoints = discovery.subscribe(&named());
    endpoints.wait_for(|list| !list.is_empty()).await.unwrap();
    let published: Vec<String> =
        endpoints.borrow_and_update().iter().map(|one| one.address.to_string()).collect();
    assert_eq!(published, ["192.0.2.1:80", "192.0.2.2:80"], "sorted, each once");

    // A time to live of zero is taken as a second.
    *fake.0.lock() = vec![ip(3)];
    let moved = |list: &Arc<[crate::Endpoint]>| list.iter().all(|one| one.address.ip() == ip(3));
    endpoints.wait_for(moved).await.unwrap();

    fake.0.lock().clear();
    let failed = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(10));
        while discovery.status()[0].last_error.is_none() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), failed).await.unwrap();
    let status = discovery.status().remove(0);
    assert_eq!(status.source, SourceKind::Dns);
    assert_eq!(status.names, ["app.test:80"]);
    assert_eq!(status.endpoints.len(), 1, "the last good addresses stay");
    assert!(status.last_error.unwrap().contains("no such name"));
}

#[tokio::test]
async fn the_same_source_keeps_its_task_and_another_gets_its_own() {
    let fake = Arc::new(Fake::default());
    *fake.0.lock() = vec![ip(1)];
    let discovery = Discovery::new(Handle::current(), Arc::clone(&fake) as Arc<dyn Resolve>);
    let mut first = discovery.subscribe(&named());
    first.wait_for(|list| !list.is_empty()).await.unwrap();
    // The second subscriber has the addresses at once.
    let second = discovery.subscribe(&named());
    assert!(first.same_channel(&second));
    assert_eq!(second.borrow().len(), 1);
    let fixed = discovery.subscribe(&plan(&["192.0.2.9:80".parse().unwrap()]));
    assert!(!first.same_channel(&fixed));
    assert_eq!(discovery.status().len(), 1);
    assert_eq!(discovery.status()[0].source, SourceKind::Static);
}

#[tokio::test]
async fn a_task_ends_with_its_last_listener() {
    let fake = Arc::new(Fake::default());
    *fake.0.lock() = vec![ip(1)];
    let discovery = Discovery::new(Handle::current(), Arc::clone(&fake) as Arc<dyn Resolve>);
    let mut receiver = discovery.subscribe(&named());
    receiver.wait_for(|list| !list.is_empty()).await.unwrap();
    drop(receiver);
    assert!(discovery.status().is_empty());
    // The resolver is held by the task, by the discovery and by us.
    while Arc::strong_count(&fake) > 2 {
        tokio::task::yield_now().await;
    }
    let mut again = discovery.subscribe(&named());
    again.wait_for(|list| !list.is_empty()).await.unwrap();
}
