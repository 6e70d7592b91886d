//! The command line: parsing, dispatch, output and exit codes.
//!
//! What the commands do is not here: `main` hands them in as [`Commands`]. Start reading at
//! [`main`].

mod arguments;
pub mod conformance;
pub mod policy;

use std::{
    ffi::OsString,
    fmt,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

pub use arguments::Output;
use arguments::{Arguments, Command};
use clap::{CommandFactory, Parser};
use clap_complete::Shell;
use conformance::Conformance;
use policy::PolicyCommand;
use serde_json::Value;

/// Where the configuration is looked for when none is named.
pub const CONFIG_PLACES: [&str; 2] = ["./mortise.yaml", "/etc/mortise/mortise.yaml"];

/// The name of the program, in completions and in the manual page.
const PROGRAM: &str = "mortise";

/// What the commands do. None of them prints.
#[derive(Clone, Copy)]
pub struct Commands<'a> {
    /// Runs the proxy until it is stopped.
    pub run: &'a dyn Fn(RunOptions) -> Result<(), Failure>,
    /// Checks a configuration file.
    pub check: &'a dyn Fn(&Path) -> CheckReport,
    /// Says what plugins may do.
    pub policy: &'a dyn Fn(PolicyCommand) -> Result<CheckReport, Failure>,
    /// What this machine can do for plugins.
    pub doctor: fn() -> CheckReport,
    /// What this proxy makes of evil plugins, of those whose names hold a text.
    pub attack: fn(&str) -> Result<CheckReport, Failure>,
    /// The JSON Schema of the configuration.
    pub schema: fn() -> Value,
    /// Runs conformance cases, or makes what is needed to run them.
    pub conformance: fn(Conformance) -> Result<CheckReport, Failure>,
}

/// What `mortise run` was told.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RunOptions {
    /// The configuration file.
    pub config: PathBuf,
}

impl fmt::Debug for Commands<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands").finish_non_exhaustive()
    }
}

/// What `mortise check` found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CheckReport {
    /// Nothing was found that `mortise run` would refuse.
    pub is_clean: bool,
    /// The findings for a person; may be empty.
    pub text: String,
    /// The findings for a program.
    pub json: Value,
}

/// Why a command did not do what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// What was asked for does not exist.
    Usage(miette::Report),
    /// The configuration is refused.
    Findings(miette::Report),
    /// Something that the configuration names cannot be bound, opened or reached.
    Unreachable(miette::Report),
}

/// How the process ends. Stable: scripts rely on the numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
enum Exit {
    Ok = 0,
    Findings = 1,
    Usage = 2,
    Unreachable = 3,
}

/// Reads the arguments of the process and runs the command that they name.
#[must_use]
pub fn main(commands: &Commands<'_>) -> ExitCode {
    let mut console =
        Console { out: &mut io::stdout(), err: &mut io::stderr(), places: &CONFIG_PLACES };
    ExitCode::from(execute(commands, std::env::args_os(), &mut console) as u8)
}

/// What a command writes to, and where it looks for a configuration.
struct Console<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    places: &'a [&'a str],
}

fn execute(
    commands: &Commands<'_>,
    arguments: impl IntoIterator<Item = OsString>,
    console: &mut Console<'_>,
) -> Exit {
    let command = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments.command,
        // `--help` and `--version` come this way, too.
        Err(error) if error.use_stderr() => {
            return console.complain(error.render(), Exit::Usage);
        }
        Err(error) => return console.print(error.render().to_string().as_bytes(), Exit::Ok),
    };
    match command {
        Command::Run { config } => match console.config(config) {
            Ok(config) => run(commands, RunOptions { config }, console),
            Err(exit) => exit,
        },
        Command::Check { config, output } => match console.config(config) {
            Ok(config) => check(commands, &config, output, console),
            Err(exit) => exit,
        },
        Command::Doctor { attack: true, filter, output } => {
            finished((commands.attack)(&filter), output, console)
        }
        Command::Doctor { output, .. } => report((commands.doctor)(), output, console),
        Command::Policy(command) => about_policies(commands, command, console),
        Command::Schema => {
            console.print(format!("{:#}\n", (commands.schema)()).as_bytes(), Exit::Ok)
        }
        Command::Completions { shell } => console.print(&completions(shell), Exit::Ok),
        Command::Man => match man() {
            Ok(page) => console.print(&page, Exit::Ok),
            Err(error) => console.complain(error, Exit::Unreachable),
        },
        Command::Conformance(command) => conform(commands, command, console),
    }
}

fn conform(commands: &Commands<'_>, command: Conformance, console: &mut Console<'_>) -> Exit {
    let output = command.output();
    finished((commands.conformance)(command), output, console)
}

fn finished(
    outcome: Result<CheckReport, Failure>,
    output: Output,
    console: &mut Console<'_>,
) -> Exit {
    match outcome {
        Ok(findings) => report(findings, output, console),
        Err(failure) => console.fail(&failure),
    }
}

fn about_policies(
    commands: &Commands<'_>,
    mut command: PolicyCommand,
    console: &mut Console<'_>,
) -> Exit {
    if let Some(config) = command.config_mut() {
        match console.config(config.take()) {
            Ok(found) => *config = Some(found),
            Err(exit) => return exit,
        }
    }
    let output = command.output();
    match (commands.policy)(command) {
        Ok(findings) => report(findings, output, console),
        Err(failure) => console.fail(&failure),
    }
}

fn report(report: CheckReport, output: Output, console: &mut Console<'_>) -> Exit {
    let exit = if report.is_clean { Exit::Ok } else { Exit::Findings };
    let text = match output {
        Output::Json => format!("{:#}\n", report.json),
        Output::Text => report.text,
    };
    console.print(text.as_bytes(), exit)
}

fn run(commands: &Commands<'_>, options: RunOptions, console: &mut Console<'_>) -> Exit {
    match (commands.run)(options) {
        Ok(()) => Exit::Ok,
        Err(failure) => console.fail(&failure),
    }
}

fn check(
    commands: &Commands<'_>,
    config: &Path,
    output: Output,
    console: &mut Console<'_>,
) -> Exit {
    let report = (commands.check)(config);
    let exit = if report.is_clean { Exit::Ok } else { Exit::Findings };
    let text = match output {
        Output::Json => format!("{:#}\n", report.json),
        Output::Text if report.is_clean => {
            format!("{}{}: ok\n", ended(&report.text), config.display())
        }
        Output::Text => ended(&report.text),
    };
    console.print(text.as_bytes(), exit)
}

/// The text with a line end, where there is any text.
fn ended(text: &str) -> String {
    let text = text.trim_end();
    if text.is_empty() { String::new() } else { format!("{text}\n") }
}

fn completions(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), PROGRAM, &mut script);
    script
}

fn man() -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Arguments::command()).render(&mut page)?;
    Ok(page)
}

impl Console<'_> {
    /// The file that was named, or the first of the usual places that there is.
    fn config(&mut self, named: Option<PathBuf>) -> Result<PathBuf, Exit> {
        let usual = || self.places.iter().map(PathBuf::from).find(|place| place.exists());
        named.or_else(usual).ok_or_else(|| {
            let places = self.places.join(" nor ");
            let text = format!("error: there is neither {places}; name a file with --config");
            self.complain(text, Exit::Usage)
        })
    }

    /// Writes the product of a command.
    fn print(&mut self, bytes: &[u8], exit: Exit) -> Exit {
        match self.out.write_all(bytes).and_then(|()| self.out.flush()) {
            Ok(()) => exit,
            // The reader has seen enough, as `head` does.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => exit,
            Err(error) => {
                self.complain(format_args!("error: cannot write: {error}"), Exit::Unreachable)
            }
        }
    }

    fn fail(&mut self, failure: &Failure) -> Exit {
        match failure {
            Failure::Usage(report) => self.complain(format_args!("{report:?}"), Exit::Usage),
            Failure::Findings(report) => self.complain(format_args!("{report:?}"), Exit::Findings),
            Failure::Unreachable(report) => {
                self.complain(format_args!("{report:?}"), Exit::Unreachable)
            }
        }
    }

    /// Writes why a command failed. If even that cannot be written the exit code must do.
    fn complain(&mut self, text: impl fmt::Display, exit: Exit) -> Exit {
        let text = ended(&text.to_string());
        drop(self.err.write_all(text.as_bytes()));
        exit
    }
}

#[cfg(test)]
mod tests;
