//! The factory of one use on one worker, and its stream filters.

use std::rc::Rc;

use abi_native::number::Way;
use host_extension::{
    Codec, CodecProfile, Connection, FilterFactory, NetworkFilter, Phases, PluginFault, Step,
    Stream, StreamFilter, Verdict,
};

use crate::{
    callbacks::StreamHook,
    codec::NativeCodec,
    contexts::Of,
    instance::{Duty, Instance, Kind, Outcome},
    network::NativeNetworkFilter,
};

/// Makes contexts of one instance.
#[derive(Debug)]
pub(crate) struct NativeFactory(Rc<Instance>);

/// One stream of an instance.
#[derive(Debug)]
pub(crate) struct NativeFilter {
    instance: Rc<Instance>,
    context: u64,
    completed: bool,
}

/// What a pause of a hook means for the message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum OnPause {
    /// The direction waits until the plugin says to go on.
    Wait,
    /// The bytes are kept, and the hook is called again with more.
    Hold,
}

impl NativeFactory {
    pub(crate) fn new(instance: Rc<Instance>) -> Self {
        Self(instance)
    }
}

impl FilterFactory for NativeFactory {
    fn phases(&self) -> Phases {
        self.0.phases()
    }

    fn stream_filter(&self, stream: &Rc<Stream>) -> Result<Box<dyn StreamFilter>, PluginFault> {
        let instance = Rc::clone(&self.0);
        let context = instance.open(Kind::Stream, Of::Stream(Rc::clone(stream)))?;
        Ok(Box::new(NativeFilter { instance, context, completed: false }))
    }

    fn network_filter(
        &self,
        connection: &Rc<Connection>,
    ) -> Result<Box<dyn NetworkFilter>, PluginFault> {
        Ok(Box::new(NativeNetworkFilter::new(Rc::clone(&self.0), connection)?))
    }

    fn codec(&self) -> Result<Rc<dyn Codec>, PluginFault> {
        Ok(Rc::new(NativeCodec::new(Rc::clone(&self.0))?))
    }

    fn codec_profile(&self) -> CodecProfile {
        self.0.codec_profile.get()
    }
}

impl NativeFilter {
    /// Calls a hook whose answer says whether the direction goes on.
    fn ask(&self, way: Way, phase: Phases, hook: StreamHook<'_>, on_pause: OnPause) -> Step {
        match self.call(Some(way), phase, hook) {
            Err(fault) => Verdict::Failed(fault).into(),
            Ok(Outcome::Answered(verdict)) => verdict.into(),
            Ok(Outcome::Passed) => Step::CONTINUE,
            Ok(Outcome::Paused) => match self.instance.wait(self.context, way) {
                Step::Later(resumed) if on_pause == OnPause::Hold => Step::HoldUntil(resumed),
                step @ (Step::Ready(_) | Step::Later(_) | Step::HoldUntil(_)) => step,
            },
        }
    }

    /// Calls a hook that the plugin wants; what it does not want passes.
    fn call(
        &self,
        way: Option<Way>,
        phase: Phases,
        hook: StreamHook<'_>,
    ) -> Result<Outcome, PluginFault> {
        let is_wanted = !self.completed && self.instance.phases().contains(phase);
        let kept = if is_wanted { self.instance.kept(self.context) } else { None };
        let Some(kept) = kept else { return Ok(Outcome::Passed) };
        let duty = Duty { callback: hook.name(), context: self.context, way };
        let callbacks = &self.instance.plugin.callbacks;
        self.instance.call(duty, |object| callbacks.stream(object, kept, self.context, hook))
    }

    fn complete(&mut self) -> Result<(), PluginFault> {
        if self.completed {
            return Ok(());
        }
        let told = if self.instance.is_lost() {
            Ok(())
        } else {
            self.call(None, Phases::LOG, StreamHook::Complete).map(drop)
        };
        self.completed = true;
        self.instance.close(Kind::Stream, self.context);
        told
    }
}

/// Past the end nothing calls again, and the pipeline would end a hold as "go on".
fn on_pause(end: bool) -> OnPause {
    if end { OnPause::Wait } else { OnPause::Hold }
}

impl StreamFilter for NativeFilter {
    fn on_request_headers(&mut self, _stream: &Rc<Stream>, end: bool) -> Step {
        let hook = StreamHook::Headers(Way::In, end);
        self.ask(Way::In, Phases::REQUEST_HEADERS, hook, OnPause::Wait)
    }

    fn on_request_body(&mut self, _stream: &Rc<Stream>, end: bool) -> Step {
        let hook = StreamHook::Body(Way::In, end);
        self.ask(Way::In, Phases::REQUEST_BODY, hook, on_pause(end))
    }

    fn on_request_trailers(&mut self, _stream: &Rc<Stream>) -> Step {
        let hook = StreamHook::Trailers(Way::In);
        self.ask(Way::In, Phases::REQUEST_TRAILERS, hook, OnPause::Wait)
    }

    fn on_response_headers(&mut self, _stream: &Rc<Stream>, end: bool) -> Step {
        let hook = StreamHook::Headers(Way::Out, end);
        self.ask(Way::Out, Phases::RESPONSE_HEADERS, hook, OnPause::Wait)
    }

    fn on_response_body(&mut self, _stream: &Rc<Stream>, end: bool) -> Step {
        let hook = StreamHook::Body(Way::Out, end);
        self.ask(Way::Out, Phases::RESPONSE_BODY, hook, on_pause(end))
    }

    fn on_response_trailers(&mut self, _stream: &Rc<Stream>) -> Step {
        let hook = StreamHook::Trailers(Way::Out);
        self.ask(Way::Out, Phases::RESPONSE_TRAILERS, hook, OnPause::Wait)
    }

    fn on_complete(&mut self, _stream: &Rc<Stream>) -> Result<(), PluginFault> {
        self.complete()
    }
}

impl Drop for NativeFilter {
    /// A stream that ended without saying so must not leave its context behind.
    fn drop(&mut self) {
        if self.completed {
            return;
        }
        // The pipeline measures its last hook only.
        let instance = Rc::clone(&self.instance);
        if let Err(fault) = instance.cpu.charge(|| self.complete()) {
            tracing::debug!(%fault, "a plugin failed as its filter was dropped");
        }
    }
}

#[cfg(test)]
mod tests;
