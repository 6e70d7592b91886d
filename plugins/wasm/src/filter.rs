//! The filters of one use on one worker: each is one HTTP context of the guest.

use std::{fmt, rc::Rc};

use abi_wasm::Action;
use host_extension::{
    FilterFactory, Phases, PluginFault, Side, Step, Stream, StreamFilter, Verdict,
};
use host_types::Headers;

use crate::{
    hooks::{HeaderHook, MessageHooks},
    state::Duty,
    vm::{Outcome, Vm},
};

/// Makes contexts in one guest.
#[derive(Debug)]
pub(crate) struct WasmFactory {
    vm: Rc<Vm>,
    phases: Phases,
}

/// One HTTP context.
struct WasmFilter {
    vm: Rc<Vm>,
    context: u32,
    completed: bool,
}

/// What a pause of a hook means for the message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum OnPause {
    /// The direction waits until the guest says to go on.
    Wait,
    /// The bytes are kept, and the hook is called again with more.
    Hold,
}

impl WasmFactory {
    pub(crate) fn new(vm: Rc<Vm>, phases: Phases) -> Self {
        Self { vm, phases }
    }
}

impl FilterFactory for WasmFactory {
    fn phases(&self) -> Phases {
        self.phases
    }

    fn stream_filter(&self, stream: &Rc<Stream>) -> Result<Box<dyn StreamFilter>, PluginFault> {
        let context = self.vm.create(stream)?;
        Ok(Box::new(WasmFilter { vm: Rc::clone(&self.vm), context, completed: false }))
    }
}

impl WasmFilter {
    fn hooks(&self, side: Side) -> &MessageHooks {
        match side {
            Side::Request => &self.vm.hooks().request,
            Side::Response => &self.vm.hooks().response,
        }
    }

    fn headers(&self, stream: &Stream, side: Side, end: bool) -> Step {
        let Some(hook) = &self.hooks(side).headers else { return Step::CONTINUE };
        let count = stream.message(side).headers.borrow().as_ref().map_or(0, Headers::len);
        let callback = match side {
            Side::Request => "proxy_on_request_headers",
            Side::Response => "proxy_on_response_headers",
        };
        let (context, count) = (self.context, narrow(count));
        let outcome = self.vm.call(self.duty(callback, side), |store| match hook {
            HeaderHook::WithoutEnd(hook) => hook.call(store, (context, count)),
            HeaderHook::WithEnd(hook) => hook.call(store, (context, count, u32::from(end))),
        });
        self.settle(outcome, Action::of_headers, side, OnPause::Wait)
    }

    fn body(&self, stream: &Stream, side: Side, end: bool) -> Step {
        let Some(hook) = &self.hooks(side).body else { return Step::CONTINUE };
        let length = stream.message(side).body.borrow().len();
        let callback = match side {
            Side::Request => "proxy_on_request_body",
            Side::Response => "proxy_on_response_body",
        };
        let params = (self.context, narrow(length), u32::from(end));
        let outcome = self.vm.call(self.duty(callback, side), |store| hook.call(store, params));
        // Past the end nothing calls again, and the pipeline would end a hold as "go on".
        let on_pause = if end { OnPause::Wait } else { OnPause::Hold };
        self.settle(outcome, Action::of_data, side, on_pause)
    }

    fn trailers(&self, stream: &Stream, side: Side) -> Step {
        let Some(hook) = &self.hooks(side).trailers else { return Step::CONTINUE };
        let count = stream.message(side).trailers.borrow().as_ref().map_or(0, Headers::len);
        let callback = match side {
            Side::Request => "proxy_on_request_trailers",
            Side::Response => "proxy_on_response_trailers",
        };
        let params = (self.context, narrow(count));
        let outcome = self.vm.call(self.duty(callback, side), |store| hook.call(store, params));
        self.settle(outcome, Action::of_data, side, OnPause::Wait)
    }

    fn duty(&self, callback: &'static str, side: Side) -> Duty {
        Duty { callback, context: self.context, side: Some(side) }
    }

    /// An answer by host call rules over the return value.
    fn settle(
        &self,
        outcome: Result<Outcome<u32>, PluginFault>,
        action: fn(u32) -> Action,
        side: Side,
        on_pause: OnPause,
    ) -> Step {
        match outcome {
            Err(fault) => Verdict::Failed(fault).into(),
            Ok((_, Some(verdict))) => verdict.into(),
            Ok((number, None)) if !action(number).stops() => Step::CONTINUE,
            Ok((_, None)) if on_pause == OnPause::Wait => self.vm.wait(self.context, side),
            Ok((_, None)) => match self.vm.wait(self.context, side) {
                Step::Later(resumed) => Step::HoldUntil(resumed),
                resumed @ (Step::Ready(_) | Step::HoldUntil(_)) => resumed,
            },
        }
    }

    fn complete(&mut self) -> Result<(), PluginFault> {
        if std::mem::replace(&mut self.completed, true) {
            return Ok(());
        }
        self.vm.complete(self.context)
    }
}

impl StreamFilter for WasmFilter {
    fn on_request_headers(&mut self, stream: &Rc<Stream>, end: bool) -> Step {
        self.headers(stream, Side::Request, end)
    }

    fn on_request_body(&mut self, stream: &Rc<Stream>, end: bool) -> Step {
        self.body(stream, Side::Request, end)
    }

    fn on_request_trailers(&mut self, stream: &Rc<Stream>) -> Step {
        self.trailers(stream, Side::Request)
    }

    fn on_response_headers(&mut self, stream: &Rc<Stream>, end: bool) -> Step {
        self.headers(stream, Side::Response, end)
    }

    fn on_response_body(&mut self, stream: &Rc<Stream>, end: bool) -> Step {
        self.body(stream, Side::Response, end)
    }

    fn on_response_trailers(&mut self, stream: &Rc<Stream>) -> Step {
        self.trailers(stream, Side::Response)
    }

    fn on_complete(&mut self, _stream: &Rc<Stream>) -> Result<(), PluginFault> {
        self.complete()
    }
}

impl Drop for WasmFilter {
    /// A stream that ended without saying so must not leave its context in the guest.
    fn drop(&mut self) {
        if let Err(fault) = self.complete() {
            tracing::debug!(%fault, "a plugin failed as its filter was dropped");
        }
    }
}

impl fmt::Debug for WasmFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasmFilter").field("vm", &self.vm).field("context", &self.context).finish()
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
