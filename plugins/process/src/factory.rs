//! The factory of one use on one worker: an instance in the child, and the filters on it.

use std::{rc::Rc, sync::Arc};

use futures_util::future::BoxFuture;
use host_extension::{
    Codec, CodecProfile, Connection, FaultKind, FilterFactory, InstanceSpec, NetworkFilter, Phases,
    PluginFault, Stream, StreamFilter, WorkerScope,
};

pub(crate) use crate::session::ChildLink;
use crate::{
    filter::{
        ProcessFilter,
        codec::{ProcessCodec, TriedCodec},
        network::ProcessNetworkFilter,
    },
    session::{self, Instance, Of, Session, trial::Tried},
};

/// Starts the plugin for one use on this worker, on whose local event loop it must be called.
/// Answers at once: until the child is ready, streams wait.
pub(crate) fn start(
    scope: &WorkerScope,
    spec: &InstanceSpec,
    link: &Arc<ChildLink>,
) -> Rc<dyn FilterFactory> {
    let session = Session::of(scope, link);
    Rc::new(ProcessFactory { instance: session.start(scope, spec) })
}

/// Starts the plugin for one use in a session of its own and lets it go again. Blocks at most as
/// long as a start may take. `spawn` runs a task on the supervisor's thread. What this answers
/// tells what the plugin wants, and makes no filters.
///
/// # Errors
/// The plugin does not serve this use.
pub(crate) fn trial(
    scope: &WorkerScope,
    spec: &InstanceSpec,
    link: &Arc<ChildLink>,
    spawn: impl FnOnce(BoxFuture<'static, ()>),
) -> Result<Rc<dyn FilterFactory>, PluginFault> {
    let tried = session::trial::run(scope, spec, link, spawn)?;
    if let Some(profile) = tried.profile {
        link.note_profile(spec, profile);
    }
    Ok(Rc::new(tried))
}

/// What a trial leaves.
impl FilterFactory for Tried {
    fn phases(&self) -> Phases {
        self.phases
    }

    /// The child said that it makes codecs; none of this one's is there to be asked.
    fn codec(&self) -> Result<Rc<dyn Codec>, PluginFault> {
        let none = || PluginFault::new(FaultKind::Protocol, "the plugin serves no protocols");
        self.profile.map(|_profile| Rc::new(TriedCodec) as Rc<dyn Codec>).ok_or_else(none)
    }

    fn codec_profile(&self) -> CodecProfile {
        self.profile.unwrap_or_default()
    }
}

/// Makes filters on an instance.
#[derive(Debug)]
struct ProcessFactory {
    instance: Rc<Instance>,
}

impl FilterFactory for ProcessFactory {
    /// What a trial has told already; an instance that is started anew wants nothing else.
    fn phases(&self) -> Phases {
        self.instance.session().link().phases.unwrap_or(Phases::ALL)
    }

    fn stream_filter(&self, stream: &Rc<Stream>) -> Result<Box<dyn StreamFilter>, PluginFault> {
        let context = self.instance.context(Of::Stream(Rc::clone(stream)))?;
        Ok(Box::new(ProcessFilter::new(context)))
    }

    fn network_filter(
        &self,
        connection: &Rc<Connection>,
    ) -> Result<Box<dyn NetworkFilter>, PluginFault> {
        let context = self.instance.context(Of::Connection(Rc::clone(connection)))?;
        Ok(Box::new(ProcessNetworkFilter::new(context)))
    }

    fn codec(&self) -> Result<Rc<dyn Codec>, PluginFault> {
        Ok(Rc::new(ProcessCodec::new(self.instance.context(Of::Codec)?)))
    }

    /// What a trial has told already, as of the phases.
    fn codec_profile(&self) -> CodecProfile {
        self.instance.link().profile(&self.instance.spec)
    }

    /// A child that crashed or does not answer is looked after by its supervisor, and the instance
    /// comes back with it.
    fn outlives(&self, fault: &PluginFault) -> bool {
        matches!(fault.kind, FaultKind::Crashed | FaultKind::TimedOut)
            || fault.kind == FaultKind::Protocol && self.instance.session().ended_for(fault)
    }
}
