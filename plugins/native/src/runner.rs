//! The runner: the same library in a child process, which the proxy starts, confines and
//! supervises as any other child.
//!
//! It is the SDK's child around an instance that hands everything on: a callback of the child is
//! a callback of the library's table, and what the library asks goes to the proxy over the
//! session. A library that fails is told of as a plugin of the SDK that panics.
//!
//! Nothing is allowed or refused here but what [`NativeBackend`](crate::NativeBackend) would
//! refuse as no library of ours: what a child may do, its confinement says. Start reading at
//! [`main`].

mod codec;
mod desk;
mod filters;
mod shared;

use std::{
    ffi::OsString,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::OnceLock,
};

use host_types::PluginName;
use mortise_sdk::{
    CallFailure, CallId, Codec, CodecProfile, Host, HttpAnswer, NetworkFilter, Phases, QueueId,
    Refusal, StreamFilter,
    backend::{Declaration, Instance, Registration},
};

use self::{
    codec::RunnerCodec,
    desk::RunnerDesk,
    filters::{RunnerConnection, RunnerStream},
    shared::Shared,
};
use crate::{
    callbacks::{Callbacks, InstanceHook},
    desk::table,
    load,
};

/// The library of this process.
static LIBRARY: OnceLock<Callbacks> = OnceLock::new();

/// Serves a library until the proxy is gone or says that it is enough. The arguments are the
/// path of the library and, where it must have one, its SHA-256 in hexadecimal digits.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let served = declare(arguments).map(mortise_sdk::child::serve);
    served.unwrap_or_else(|why| {
        // Where nobody reads there is nobody to be told.
        drop(writeln!(std::io::stderr(), "plugin-runner: {why}"));
        ExitCode::FAILURE
    })
}

/// Loads the library, and says what it holds.
fn declare(arguments: impl IntoIterator<Item = OsString>) -> Result<&'static Declaration, String> {
    let mut arguments = arguments.into_iter();
    let path = PathBuf::from(arguments.next().ok_or("which library? Name its path")?);
    let digest = arguments.next();
    let told = |why: &dyn std::fmt::Display| format!("the library {} {why}", path.display());
    let bytes = fs::read(&path).map_err(|error| told(&format!("cannot be read: {error}")))?;
    check_digest(&bytes, digest).map_err(|why| told(&why))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let opened = load::open(&PluginName::from(name.as_str()), &bytes);
    let entered = opened.and_then(|library| library.enter(table::<RunnerDesk>()));
    let callbacks = entered.map_err(|error| told(&error))?;
    let about = callbacks.about();
    let bits = callbacks.phases();
    if LIBRARY.set(callbacks).is_err() {
        return Err(told(&"is not the first of this process"));
    }
    let phases = Phases::from_bits(bits);
    let registration = Registration { root_id: "", phases, properties: &[], start };
    Ok(Box::leak(Box::new(Declaration {
        name: about.name.leak(),
        version: about.version.leak(),
        plugins: Box::leak(Box::new([registration])),
    })))
}

fn check_digest(bytes: &[u8], wanted: Option<OsString>) -> Result<(), String> {
    let digest = load::digest(bytes).map_err(|error| error.to_string())?;
    let found = load::hexadecimal(&digest);
    match wanted {
        Some(wanted) if !wanted.eq_ignore_ascii_case(&found) => {
            Err(format!("is another one than was verified: its SHA-256 is {found}"))
        }
        Some(_) | None => Ok(()),
    }
}

/// The arguments by which a child serves a library, behind the word that leads to [`main`].
#[must_use]
pub fn arguments(library: &Path, bytes: &[u8]) -> Vec<OsString> {
    let digest = load::digest(bytes).map(|digest| load::hexadecimal(&digest));
    let digest = digest.unwrap_or_default().into();
    vec![library.as_os_str().to_owned(), digest]
}

/// Starts an instance. Which plugin of the library is meant only the proxy knows.
fn start(config: &[u8], host: &Host<'_>) -> Result<Box<dyn Instance>, Refusal> {
    let callbacks = LIBRARY.get().ok_or_else(|| Refusal::new("no library is loaded"))?;
    let root_id = host.property(&["plugin_root_id"]);
    let root_id = root_id.as_ref().and_then(|root_id| root_id.as_str()).unwrap_or_default();
    Ok(Box::new(RunnerInstance(Shared::start(*callbacks, host, root_id, config)?)))
}

/// An instance of the library.
struct RunnerInstance(std::rc::Rc<Shared>);

impl Instance for RunnerInstance {
    /// What the library keeps for it is made at its first callback, which tells its number.
    fn stream_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn StreamFilter>> {
        Some(Box::new(RunnerStream::new(&self.0)))
    }

    fn network_filter(&mut self, _host: &Host<'_>) -> Option<Box<dyn NetworkFilter>> {
        Some(Box::new(RunnerConnection::new(&self.0)))
    }

    fn codec(&mut self, host: &Host<'_>) -> Option<Box<dyn Codec>> {
        let (kept, context) = self.0.open_codec(host)?;
        Some(Box::new(RunnerCodec::new(&self.0, kept, context)))
    }

    fn codec_profile(&self) -> CodecProfile {
        codec::profile(&self.0)
    }

    fn on_tick(&mut self, host: &Host<'_>) {
        self.0.deliver(host, InstanceHook::Tick);
    }

    fn on_queue_ready(&mut self, host: &Host<'_>, queue: QueueId) {
        self.0.deliver(host, InstanceHook::QueueReady(queue.0));
    }

    fn on_http_answer(
        &mut self,
        host: &Host<'_>,
        call: CallId,
        answer: Result<HttpAnswer, CallFailure>,
    ) {
        shared::with_answer(answer.ok().as_ref(), |answer| {
            self.0.deliver(host, InstanceHook::HttpAnswer(call.0, answer));
        });
    }
}

#[cfg(test)]
mod tests;
