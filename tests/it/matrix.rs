//! The matrix: one plugin source, one table of cases, every backend.
//!
//! Each case is data: the steps of the plugin `matrix`, what is asked, and under which
//! `on_error`. What comes of it is written down as text, and is the same on every backend: the
//! replies, what the upstream saw, what the plugin logged and counted, its faults. The expected
//! texts are in `golden/matrix_*.txt`, as the Wasm backend gives them; `UPDATE_EXPECT=1` writes
//! them anew from there. Where `MORTISE_MATRIX_CELLS` names a file, each test adds its cell to
//! it as a line of JSON. Start reading at [`streams::CASES`](streams); what a codec is given is in
//! [`codecs::CASES`](codecs).

mod backend;
mod call;
pub(crate) mod case;
mod codecs;
mod golden;
mod networks;
mod refusals;
pub(crate) mod settings;
pub(crate) mod stage;
mod streams;
mod talk;

pub(crate) use backend::Backend;
use golden::Golden;

/// Runs all cases of one extension point on one backend.
async fn run(point: &'static str, backend: Backend) {
    let golden = Golden::of(point, backend);
    let outcomes = match point {
        "stream_filter" => stage::streams(backend, streams::cases(), &golden).await,
        "codec" => call::calls(backend, codecs::cases(), &golden).await,
        _ => talk::connections(backend, networks::cases(), &golden).await,
    };
    golden.finish(point, backend, &outcomes);
}

/// Plays the plugins that cannot start.
async fn refuse(backend: Backend) {
    let outcomes = refusals::refusals(backend).await;
    let count = outcomes.len();
    let wrong: Vec<_> = outcomes.iter().filter(|outcome| !outcome.text.is_empty()).collect();
    golden::tell("stream_filter", backend, count - wrong.len(), wrong.len());
    assert!(wrong.is_empty(), "{}: {wrong:#?}", backend.name());
}

/// Plays the cases whose plugin panics: how many came out as everywhere, and what differs.
pub(crate) async fn panics(backend: Backend) -> (usize, Vec<String>) {
    let golden = Golden::of("stream_filter", backend);
    let cases = streams::cases().into_iter().filter(|case| case.name.contains("panic"));
    let mut differ = Vec::new();
    let outcomes = stage::streams(backend, cases.collect(), &golden).await;
    let mut count = outcomes.len();
    differ.extend(golden.differences(&outcomes));
    let golden = Golden::of("network_filter", backend);
    let cases = networks::cases().into_iter().filter(|case| case.name.contains("panic"));
    let outcomes = talk::connections(backend, cases.collect(), &golden).await;
    count += outcomes.len();
    differ.extend(golden.differences(&outcomes));
    (count - differ.len(), differ)
}

macro_rules! for_each_backend {
    ($($backend:ident: $variant:expr;)+) => {
        $(mod $backend {
            use super::{Backend, refuse, run};

            #[tokio::test]
            async fn stream_filters_do_as_everywhere() {
                run("stream_filter", $variant).await;
            }

            #[tokio::test]
            async fn plugins_that_cannot_start_are_treated_alike() {
                refuse($variant).await;
            }

            #[tokio::test]
            async fn network_filters_do_as_everywhere() {
                run("network_filter", $variant).await;
            }

            #[tokio::test]
            async fn codecs_do_as_everywhere() {
                run("codec", $variant).await;
            }
        })+
    };
}

for_each_backend! {
    builtin: Backend::Builtin;
    wasm: Backend::Wasm;
    process: Backend::Process;
    process_tcp: Backend::ProcessTcp;
    native: Backend::Native;
}
