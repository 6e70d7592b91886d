//! One plugin moves from backend to backend by reload, under load.

use tests_support::{Config, Http, Proxy, Upstream};

use super::{
    kills::{MARK, count, leaves_nothing},
    run::Run,
    storm::{Storm, until_filtered},
};
use crate::matrix::Backend;

fn config(backend: Backend, upstream: &Upstream) -> Config {
    let routes = format!(
        "stream_filters: [{{ plugin: it, root_id: matrix, config: {MARK} }}]\n\
         routes: [{{ match: {{ prefix: / }}, cluster: app }}]"
    );
    let config = Config::new().top("workers: 2").listener("web", &routes).cluster(
        "app",
        upstream.address(),
        "",
    );
    backend.plugin(backend.prepare(config), "it")
}

pub(crate) async fn swaps(run: &mut Run, rounds: usize) {
    const BETWEEN: usize = 200;
    let upstream = Upstream::echo(Http::One).await;
    let mut proxy = Proxy::start(&config(Backend::Wasm, &upstream)).await;
    until_filtered(proxy.web(), "/").await;
    let storm = Storm::start(4, proxy.web(), "/");
    let mut swaps = 0;
    for _ in 0..rounds {
        for backend in [Backend::Process, Backend::Native, Backend::ProcessTcp, Backend::Wasm] {
            proxy.reload(&config(backend, &upstream)).await;
            let page = proxy.admin_json("/plugins").await.to_string();
            let word = format!("\"backend\":\"{}\"", backend.word());
            run.must(page.contains(&word), format_args!("{word} is not on the page: {page}"));
            storm.replies(BETWEEN).await;
            swaps += 1;
        }
    }
    let tally = storm.finish().await;
    let unfiltered = tally.count() - tally.filtered;
    run.figure("swaps", count(swaps));
    run.figure("requests", count(tally.count()));
    run.figure("failed", count(tally.other_than(&[200])));
    run.figure("without_the_filter", count(unfiltered));
    run.must(tally.other_than(&[200]) == 0, format_args!("{tally:?}"));
    run.must(unfiltered == 0, format_args!("{unfiltered} replies without the filter"));
    leaves_nothing(run, proxy, Vec::new()).await;
}
