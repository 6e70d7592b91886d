mod beside;
mod connection;
mod rules;
mod stream;

use crate::{Host, NetworkFilter, Phases, Plugin, Refusal, StreamFilter};

/// A plugin whose filters are made by a function, so that a test says them where it needs them.
struct Made<const PHASES: u16>;

type MakeStream = fn() -> Box<dyn StreamFilter>;
type MakeNetwork = fn() -> Box<dyn NetworkFilter>;

thread_local! {
    static STREAM: std::cell::Cell<Option<MakeStream>> = const { std::cell::Cell::new(None) };
    static NETWORK: std::cell::Cell<Option<MakeNetwork>> = const { std::cell::Cell::new(None) };
}

impl<const PHASES: u16> Plugin for Made<PHASES> {
    type Config = ();

    const PHASES: Phases = Phases::from_bits(PHASES);

    fn start((): (), _host: &Host<'_>) -> Result<Self, Refusal> {
        Ok(Self)
    }

    fn stream_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        STREAM.get().map(|make| make())
    }

    fn network_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn NetworkFilter>> {
        NETWORK.get().map(|make| make())
    }
}
