//! What an exchange costs the worker.

use std::{io::Write, time::Duration};

use futures_util::future::join_all;
use host_extension::Verdict;
use rustix::time::{ClockId, clock_gettime};

use super::*;

const IN_FLIGHT: usize = 64;
const ROUNDS: usize = 2000;

fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).expect("time goes on");
    Duration::new(seconds, u32::try_from(time.tv_nsec).expect("less than a second"))
}

#[test]
#[ignore = "a measurement, to be run by hand"]
fn cost_of_an_exchange_with_64_in_flight() {
    local(async {
        let (_rig, _child, factory) = Rig::serving(pass()).await;
        let begun = spent();
        for _ in 0..ROUNDS {
            let streams: Vec<_> = (0..IN_FLIGHT).map(|_| filter(&factory)).collect();
            let asked = streams.into_iter().map(|(mut filter, stream)| async move {
                let verdict = verdict(filter.on_request_headers(&stream, true)).await;
                assert!(matches!(verdict, Verdict::Continue), "{verdict:?}");
            });
            join_all(asked).await;
        }
        let exchanges = u32::try_from(ROUNDS * IN_FLIGHT).expect("it fits");
        let cost = (spent() - begun) / exchanges;
        writeln!(std::io::stderr(), "one exchange costs the worker {cost:?}").expect("an output");
        assert!(cost < Duration::from_micros(100), "{cost:?}");
    });
}
