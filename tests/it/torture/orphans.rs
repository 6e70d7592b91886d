//! R17: the proxy is killed; its children end with it, and the next one starts clean.

use std::time::Duration;

use tests_support::{Proxy, entries, until};
use tokio::time::Instant;

use super::{
    kills::{config, count, leaves_nothing},
    run::Run,
    storm::{ms, until_filtered},
};

const PATIENT: &str = "process: { call_timeout_ms: 5000, start_timeout_ms: 10000 }";
const GONE_WITHIN: Duration = Duration::from_secs(1);

pub(crate) async fn orphans(run: &mut Run, times: usize) {
    let runtime = tempfile::tempdir().expect("a folder");
    let config = config(PATIENT);
    let mut longest = Duration::ZERO;
    let mut found = 0;
    for _ in 0..times {
        let mut proxy = Proxy::start_in(runtime.path(), &config).await;
        until_filtered(proxy.web(), "/closed").await;
        let children = proxy.process().children();
        found += children.len();
        run.must(!children.is_empty(), "no child to look at");
        let begun = Instant::now();
        proxy.kill();
        until("the end of all children", async || {
            (!children.iter().any(tests_support::Process::lives)).then_some(())
        })
        .await;
        longest = longest.max(begun.elapsed());
    }
    run.figure("children", count(found));
    run.figure("gone_within_ms", ms(longest));
    run.must(longest <= GONE_WITHIN, format_args!("children lived on for {longest:?}"));
    let left = entries(runtime.path()).len();
    run.figure("left_by_the_killed", count(left));

    let proxy = Proxy::start_in(runtime.path(), &config).await;
    until_filtered(proxy.web(), "/closed").await;
    let now = entries(runtime.path());
    run.figure("directories_after_the_next_start", count(now.len()));
    run.must(now.len() <= 1, format_args!("the next start left {now:?}"));
    leaves_nothing(run, proxy, Vec::new()).await;
}
