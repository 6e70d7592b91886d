//! R15: the child stops in the middle of what it does, and goes on later.

use std::time::Duration;

use tests_support::{Client, Http, Proxy, Reply};
use tokio::time::Instant;

use super::{
    kills::{config, count, leaves_nothing},
    run::Run,
    storm::{Storm, ms, until_filtered},
};
use crate::common::get;

/// A call may take this long.
const TIMEOUT: Duration = Duration::from_millis(200);
const LINES: &str =
    "process: { call_timeout_ms: 200, start_timeout_ms: 10000, unresponsive_timeout_ms: 60000 }";
const FROZEN_FOR: Duration = Duration::from_secs(5);
/// Calls that may run into their deadline before the breaker opens, on each worker and route.
const SLOW_MAX: usize = 20;

pub(crate) async fn freezes(run: &mut Run) {
    let config = config(LINES).to_string().replacen("workers: 2", "workers: 1", 1);
    let proxy = Proxy::start(&config).await;
    let web = proxy.web();
    until_filtered(web, "/closed").await;
    let children = proxy.process().children();
    run.must(children.len() == 1, format_args!("{} children", children.len()));
    let healthy = Storm::start(1, web, "/plain");
    children.iter().for_each(tests_support::Process::freeze);

    let mut client = Client::connect(Http::One, web).await;
    let mut took = Vec::new();
    let mut wrong = 0;
    let begun = Instant::now();
    while begun.elapsed() < FROZEN_FOR {
        let asked = Instant::now();
        let reply = client.try_send(get("/closed", &[])).await;
        let status = match reply {
            Ok(response) => Reply::try_read(response).await.map(|reply| reply.status.as_u16()),
            Err(error) => Err(error),
        };
        wrong += usize::from(!matches!(status, Ok(503)));
        took.push(asked.elapsed());
        if !client.is_open() {
            client = Client::connect(Http::One, web).await;
        }
    }
    children.iter().for_each(tests_support::Process::thaw);
    let back = until_filtered(web, "/closed").await;
    let healthy = healthy.finish().await;

    let slow: Vec<_> = took.iter().filter(|took| **took > TIMEOUT / 2).copied().collect();
    let worst = slow.iter().max().copied().unwrap_or_default();
    run.figure("calls_while_frozen", count(took.len()));
    run.figure("calls_until_the_breaker", count(slow.len()));
    run.figure("longest_call_ms", ms(worst));
    run.figure("other_than_503", count(wrong));
    run.figure("back_ms", ms(back));
    run.figure("healthy_requests", count(healthy.count()));
    run.must(!slow.is_empty(), "no call met the frozen child");
    run.must(slow.len() <= SLOW_MAX, format_args!("{} calls ran into the deadline", slow.len()));
    run.must(wrong == 0, format_args!("{wrong} calls were answered otherwise than 503"));
    let limit = TIMEOUT + Duration::from_millis(5);
    run.must_where_optimised(worst <= limit, format_args!("a call took {worst:?}"));
    run.must(worst <= TIMEOUT * 5, format_args!("a call took {worst:?}"));
    run.must(back <= Duration::from_secs(1), format_args!("back after {back:?}"));
    run.must(healthy.other_than(&[200]) == 0, format_args!("another route: {healthy:?}"));
    leaves_nothing(run, proxy, children).await;
}
