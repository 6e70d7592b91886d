//! The arguments, as clap reads them. The comments here are the help texts.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::{conformance::Conformance, policy::PolicyCommand};

/// A proxy made of slots: filters as Wasm modules, child processes or native libraries,
/// in HTTP and TCP traffic.
#[derive(Debug, Parser)]
#[command(
    name = "mortise",
    version,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 fine, 1 the configuration is refused, 2 wrong usage, \
                  3 something cannot be bound, opened or reached."
)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the proxy.
    ///
    /// SIGTERM and SIGINT stop it gracefully, and at once the second time. SIGHUP reloads the
    /// configuration and reopens the access log.
    Run {
        /// The configuration file [default: ./mortise.yaml, then /etc/mortise/mortise.yaml]
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Say everything that `run` would refuse in a configuration, and what is odd about policies.
    ///
    /// Loads every plugin and starts it once, as `run` does: code of plugins runs, and child
    /// processes are started.
    Check {
        /// The configuration file [default: ./mortise.yaml, then /etc/mortise/mortise.yaml]
        #[arg(short, long, value_name = "FILE")]
        config: Option<PathBuf>,
        /// How the findings are written.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Say what this machine can do for plugins that run as child processes.
    ///
    /// Everything is tried, not looked up. What is missing is said with what it is used for.
    Doctor {
        /// Attack instead: evil plugins, each behind a route of a proxy that is started for it,
        /// beside a route under load. Takes less than a minute; says of each whether it was
        /// contained, counted and named in the log.
        #[arg(long)]
        attack: bool,
        /// Only the attacks whose names hold this text.
        #[arg(short, long, value_name = "TEXT", default_value = "", requires = "attack")]
        filter: String,
        /// How the findings are written.
        #[arg(short, long, value_enum, default_value_t)]
        output: Output,
    },
    /// Say what plugins may do, why, and what they would need.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print the JSON Schema of the configuration, for editors.
    Schema,
    /// Print a completion script.
    Completions {
        /// The shell that is to read it.
        #[arg(value_enum)]
        shell: Shell,
    },
    /// Print the manual page.
    Man,
    /// Run the conformance cases against this host, or against another one.
    ///
    /// The cases drive a probe, a Wasm module without an SDK, through every host function in
    /// every callback, and say for each what is not as the interface has it.
    #[command(subcommand)]
    Conformance(Conformance),
}

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, ValueEnum)]
pub enum Output {
    /// For a person.
    #[default]
    Text,
    /// For a program.
    Json,
}
