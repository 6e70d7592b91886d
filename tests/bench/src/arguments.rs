//! What the benchmark is told on the command line.

use std::time::Duration;

use clap::Parser;

/// Measures processor time per request beside peers in one run.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench")]
pub(crate) struct Arguments {
    /// How often each candidate is loaded in each scenario.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,
    /// How long one load lasts, in seconds.
    #[arg(long, default_value_t = 1.5, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Keep-alive connections of the load.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub(crate) connections: u16,
    /// Idle connections whose memory is measured; 0 leaves that out.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(0..=4096))]
    pub(crate) idle: u16,
    /// Only these candidates, by name; the others are not started.
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) only: Vec<String>,
}

impl Arguments {
    /// How long one load lasts.
    pub(crate) fn load(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_no_number| String::from("not a number"))?;
    if (0.05..=600.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(String::from("not between 0.05 and 600"))
    }
}
