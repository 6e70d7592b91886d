//! The factory of one use on one worker, and its stream filters: each is one HTTP context of
//! the guest.

use std::{fmt, rc::Rc};

use abi_wasm::Action;
use host_extension::{
    Connection, FilterFactory, NetworkFilter, Phases, PluginFault, Side, Step, Stream,
    StreamFilter, Verdict,
};
use host_types::Headers;
use wasmtime::Store;

use crate::{
    contexts::Of,
    hooks::{HeaderHook, MessageHooks},
    network::WasmNetworkFilter,
    seat::Seat,
    state::{Duty, VmData},
    vm::Outcome,
};

/// Makes contexts in one guest.
#[derive(Debug)]
pub(crate) struct WasmFactory {
    seat: Rc<Seat>,
    phases: Phases,
}

/// One HTTP context.
pub(crate) struct WasmFilter {
    seat: Rc<Seat>,
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
    pub(crate) fn new(seat: Rc<Seat>, phases: Phases) -> Self {
        Self { seat, phases }
    }
}

impl FilterFactory for WasmFactory {
    fn phases(&self) -> Phases {
        self.phases
    }

    fn stream_filter(&self, stream: &Rc<Stream>) -> Result<Box<dyn StreamFilter>, PluginFault> {
        Ok(Box::new(WasmFilter::new(Rc::clone(&self.seat), stream)?))
    }

    fn network_filter(
        &self,
        connection: &Rc<Connection>,
    ) -> Result<Box<dyn NetworkFilter>, PluginFault> {
        Ok(Box::new(WasmNetworkFilter::new(Rc::clone(&self.seat), connection)?))
    }
}

impl WasmFilter {
    pub(crate) fn new(seat: Rc<Seat>, stream: &Rc<Stream>) -> Result<Self, PluginFault> {
        let context = seat.vm.create(&seat.root, Of::Stream(Rc::clone(stream)))?;
        Ok(Self { seat, context, completed: false })
    }

    /// The hooks of a side; none any more once the context has ended.
    fn hooks(&self, side: Side) -> Option<&MessageHooks> {
        if self.completed {
            return None;
        }
        let hooks = self.seat.vm.hooks();
        Some(match side {
            Side::Request => &hooks.request,
            Side::Response => &hooks.response,
        })
    }

    fn headers(&self, stream: &Stream, side: Side, end: bool) -> Step {
        let hook = self.hooks(side).and_then(|hooks| hooks.headers.as_ref());
        let Some(hook) = hook else { return Step::CONTINUE };
        let count = stream.message(side).headers.borrow().as_ref().map_or(0, Headers::len);
        let callback = match side {
            Side::Request => "proxy_on_request_headers",
            Side::Response => "proxy_on_response_headers",
        };
        let (context, count) = (self.context, narrow(count));
        let outcome = self.call(self.duty(callback, side), |store| match hook {
            HeaderHook::WithoutEnd(hook) => hook.call(store, (context, count)),
            HeaderHook::WithEnd(hook) => hook.call(store, (context, count, u32::from(end))),
        });
        self.settle(outcome, Action::of_headers, side, OnPause::Wait)
    }

    fn body(&self, stream: &Stream, side: Side, end: bool) -> Step {
        let hook = self.hooks(side).and_then(|hooks| hooks.body.as_ref());
        let Some(hook) = hook else { return Step::CONTINUE };
        let length = stream.message(side).body.borrow().len();
        let callback = match side {
            Side::Request => "proxy_on_request_body",
            Side::Response => "proxy_on_response_body",
        };
        let params = (self.context, narrow(length), u32::from(end));
        let outcome = self.call(self.duty(callback, side), |store| hook.call(store, params));
        // Past the end nothing calls again, and the pipeline would end a hold as "go on".
        let on_pause = if end { OnPause::Wait } else { OnPause::Hold };
        self.settle(outcome, Action::of_data, side, on_pause)
    }

    fn trailers(&self, stream: &Stream, side: Side) -> Step {
        let hook = self.hooks(side).and_then(|hooks| hooks.trailers.as_ref());
        let Some(hook) = hook else { return Step::CONTINUE };
        let count = stream.message(side).trailers.borrow().as_ref().map_or(0, Headers::len);
        let callback = match side {
            Side::Request => "proxy_on_request_trailers",
            Side::Response => "proxy_on_response_trailers",
        };
        let params = (self.context, narrow(count));
        let outcome = self.call(self.duty(callback, side), |store| hook.call(store, params));
        self.settle(outcome, Action::of_data, side, OnPause::Wait)
    }

    fn call(
        &self,
        duty: Duty,
        call: impl FnOnce(&mut Store<VmData>) -> wasmtime::Result<u32>,
    ) -> Result<Outcome<u32>, PluginFault> {
        self.seat.vm.call(&self.seat.root, duty, call)
    }

    fn duty(&self, callback: &'static str, side: Side) -> Duty {
        Duty { callback, context: self.context, way: Some(side.into()) }
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
            Ok((_, None)) if on_pause == OnPause::Wait => {
                self.seat.vm.wait(&self.seat.root, self.context, side.into())
            }
            Ok((_, None)) => match self.seat.vm.wait(&self.seat.root, self.context, side.into()) {
                Step::Later(resumed) => Step::HoldUntil(resumed),
                resumed @ (Step::Ready(_) | Step::HoldUntil(_)) => resumed,
            },
        }
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
        if std::mem::replace(&mut self.completed, true) {
            return Ok(());
        }
        self.seat.complete_measured(self.context)
    }
}

impl Drop for WasmFilter {
    /// A stream that ended without saying so must not leave its context in the guest.
    fn drop(&mut self) {
        if !std::mem::replace(&mut self.completed, true) {
            self.seat.complete_beside(self.context);
        }
    }
}

impl fmt::Debug for WasmFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WasmFilter")
            .field("vm", &self.seat.vm)
            .field("context", &self.context)
            .finish()
    }
}

fn narrow(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
