use std::{net::IpAddr, time::Duration};

use tokio::time::Instant;

use super::{ADDRESSES_MAX, REFRESH_MAX, REFRESH_MIN, RETRY_MAX, Tracked};
use crate::{DnsName, ResolveError, Resolved};

fn tracked() -> Tracked {
    Tracked::new(DnsName { host: "app.test".to_owned(), port: 80 })
}

fn answer(count: usize, time_to_live: Duration) -> Resolved {
    let addresses = (0..count).map(|at| IpAddr::from((at as u128).to_be_bytes())).collect();
    Resolved { addresses, time_to_live }
}

/// How long after now a name is asked again.
fn wait(name: &Tracked) -> Duration {
    name.due.saturating_duration_since(Instant::now())
}

#[tokio::test]
async fn the_time_to_live_has_bounds() {
    let mut name = tracked();
    for (lives, expect) in [(0, REFRESH_MIN), (90, Duration::from_secs(90)), (86_400, REFRESH_MAX)]
    {
        name.answered(answer(1, Duration::from_secs(lives)));
        let wait = wait(&name);
        assert!(wait <= expect && wait + Duration::from_millis(500) > expect, "{lives}: {wait:?}");
    }
}

#[tokio::test]
async fn failures_back_off_and_an_answer_forgets_them() {
    let mut name = tracked();
    name.answered(answer(2, Duration::from_secs(60)));
    let mut before = Duration::ZERO;
    for _ in 0..12 {
        name.failed(ResolveError { host: String::new(), what: String::new() });
        let wait = wait(&name);
        assert!(wait <= RETRY_MAX);
        assert!(wait >= before.min(Duration::from_secs(20)), "{wait:?} after {before:?}");
        before = wait;
    }
    assert_eq!(name.addresses.len(), 2);
    name.answered(answer(1, Duration::from_secs(60)));
    assert!(name.error.is_none());
    name.failed(ResolveError { host: String::new(), what: String::new() });
    assert!(wait(&name) <= Duration::from_secs(1));
}

#[tokio::test]
async fn a_flood_of_addresses_is_cut() {
    let mut name = tracked();
    name.answered(answer(ADDRESSES_MAX * 4, Duration::from_secs(60)));
    assert_eq!(name.addresses.len(), ADDRESSES_MAX);
}
