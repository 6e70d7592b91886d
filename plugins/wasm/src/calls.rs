//! Host calls: what a guest may ask, one file per family.
//!
//! Every call is linked for every module, whatever version it marks itself with. A call
//! that this host does not serve yet says so; nothing answers "done" that was not done, but
//! for one case: what policy denies is answered so that a plugin survives (see `answer`).
//!
//! A host call never calls back into the guest, with one exception: a value is handed over
//! in memory from the guest's own allocator. While that runs, nothing but the log and the
//! clocks can be called.

mod absent;
mod answer;
mod buffers;
mod context;
mod foreign;
mod grpc;
mod headers;
mod http_call;
mod log;
mod metric;
mod property;
mod queue;
mod reply;
mod shared;
mod stream;
mod time;
mod upstream;

use std::{rc::Rc, time::Duration};

use abi_wasm::Status;
use host_extension::{Connection, HostCalls, Stream, Subject};
use wasmtime::{Caller, Linker, Memory};

use crate::{
    contexts::{Context, Of},
    memory,
    outbound::CallKind,
    roots::Root,
    state::{GuestStage, VmData},
};

pub(crate) use absent::func_type;
pub(crate) use time::wall_clock;

/// The module under which guests import the calls.
pub(crate) const ENV: &str = "env";

/// When a call may be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Gate {
    /// At any time.
    Always,
    /// While a callback runs.
    Running,
}

/// One host call that is being answered.
pub(crate) struct Call<'a> {
    caller: Caller<'a, VmData>,
    memory: Option<Memory>,
}

/// Why a host call is not answered with "ok".
#[derive(Debug)]
pub(crate) enum Failure {
    /// The guest is told so.
    Status(Status),
    /// Its allocator trapped under the call; the guest is lost.
    Trap(wasmtime::Error),
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// An address with a length.
type Slice = (u32, u32);

/// What a host call comes to.
pub(crate) type Answer = Result<(), Failure>;

/// Defines one host call: its name, its gate, its parameters (all of 32 bits), its answer.
macro_rules! define {
    ($linker:ident, $gate:ident, $name:literal, |$call:ident $(, $param:ident)*| $answer:expr) => {
        $linker.func_wrap(
            $crate::calls::ENV,
            $name,
            |caller: wasmtime::Caller<'_, $crate::state::VmData> $(, $param: u32)*| {
                $crate::calls::Call::answer(caller, $name, $crate::calls::Gate::$gate, |$call| $answer)
            },
        )?
    };
}
pub(crate) use define;

/// Links all calls.
pub(crate) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    log::link(linker)?;
    time::link(linker)?;
    context::link(linker)?;
    property::link(linker)?;
    headers::link(linker)?;
    buffers::link(linker)?;
    stream::link(linker)?;
    reply::link(linker)?;
    http_call::link(linker)?;
    grpc::link(linker)?;
    shared::link(linker)?;
    queue::link(linker)?;
    metric::link(linker)?;
    foreign::link(linker)?;
    absent::link(linker)
}

impl<'a> Call<'a> {
    /// Begins a call. Before the guest is wholly instantiated its memory is found by name.
    pub(crate) fn new(mut caller: Caller<'a, VmData>) -> Self {
        let memory = match caller.data().memory {
            Some(memory) => Some(memory),
            None => caller.get_export("memory").and_then(wasmtime::Extern::into_memory),
        };
        Self { caller, memory }
    }

    /// Answers a call of the interface.
    pub(crate) fn answer(
        caller: Caller<'a, VmData>,
        name: &'static str,
        gate: Gate,
        answer: impl FnOnce(&mut Self) -> Answer,
    ) -> wasmtime::Result<u32> {
        let mut call = Self::new(caller);
        let stage = call.caller.data().stage;
        let open =
            gate == Gate::Always || matches!(stage, GuestStage::Running | GuestStage::Configuring);
        let answer = if open { answer(&mut call) } else { Err(Status::InternalFailure.into()) };
        let status = match answer {
            Ok(()) => Status::Ok,
            Err(Failure::Status(status)) => status,
            Err(Failure::Trap(error)) => return Err(error),
        };
        call.note(name, status.into());
        Ok(status.into())
    }

    /// Remembers how the call ended, for the story of a fault.
    pub(crate) fn note(&mut self, name: &'static str, status: u32) {
        #[cfg(any(test, feature = "fuzz"))]
        crate::fuzz::count_call();
        self.caller.data_mut().last_calls.note(name, status);
    }

    /// The host's side of the guest.
    pub(crate) fn data(&self) -> &VmData {
        self.caller.data()
    }

    /// The host's side of the guest, to change.
    pub(crate) fn data_mut(&mut self) -> &mut VmData {
        self.caller.data_mut()
    }

    /// The guest's memory and the host's side of it.
    pub(crate) fn split(&mut self) -> (&mut [u8], &mut VmData) {
        match self.memory {
            Some(memory) => memory.data_and_store_mut(&mut self.caller),
            None => (&mut [], self.caller.data_mut()),
        }
    }

    /// Bytes of the guest.
    pub(crate) fn read(&self, ptr: u32, len: u32) -> Result<&[u8], Status> {
        let memory = self.memory.ok_or(Status::InvalidMemoryAccess)?;
        memory::read(memory.data(&self.caller), ptr, len).ok_or(Status::InvalidMemoryAccess)
    }

    /// Writes bytes to the guest.
    pub(crate) fn write(&mut self, ptr: u32, bytes: &[u8]) -> Result<(), Status> {
        let (memory, _) = self.split();
        memory::write(memory, ptr, bytes).ok_or(Status::InvalidMemoryAccess)
    }

    /// Writes a number to the guest.
    pub(crate) fn write_u32(&mut self, ptr: u32, number: u32) -> Result<(), Status> {
        self.write(ptr, &number.to_le_bytes())
    }

    /// The stream of the effective context; roots and connections have none.
    pub(crate) fn stream(&self) -> Result<Rc<Stream>, Status> {
        match self.data().context().map(|context| &context.of) {
            Some(Of::Stream(stream)) => Ok(Rc::clone(stream)),
            _ => Err(Status::BadArgument),
        }
    }

    /// The connection of the effective context; roots and streams have none.
    pub(crate) fn connection(&self) -> Result<Rc<Connection>, Status> {
        match self.data().context().map(|context| &context.of) {
            Some(Of::Connection(connection)) => Ok(Rc::clone(connection)),
            _ => Err(Status::BadArgument),
        }
    }

    /// What the effective context is for.
    pub(crate) fn subject(&self) -> Subject<'_> {
        self.data().context().map_or(Subject::Host, Context::subject)
    }

    /// The root in whose name the guest asks.
    pub(crate) fn root(&self) -> Rc<Root> {
        Rc::clone(&self.data().root)
    }

    /// The host, as the plugin of that root may use it.
    pub(crate) fn host(&self) -> &dyn HostCalls {
        &*self.data().root.calls
    }

    /// The plugin of that root.
    pub(crate) fn plugin(&self) -> &str {
        self.data().root.plugin.as_str()
    }

    /// Where its shared data and queues are kept.
    pub(crate) fn namespace(&self) -> &str {
        self.data().settings.id.as_deref().unwrap_or_else(|| self.plugin())
    }

    /// A number for a call to a cluster.
    fn new_call(&mut self, kind: CallKind) -> u32 {
        let root = self.root();
        let outbound = &root.subscriptions.borrow().outbound;
        self.data_mut().call_ids.next(kind, |id| outbound.has(id))
    }

    /// Lends the buffer for values on their way to the guest, empty.
    pub(crate) fn with_scratch(
        &mut self,
        with: impl FnOnce(&mut Self, &mut Vec<u8>) -> Answer,
    ) -> Answer {
        let mut scratch = std::mem::take(&mut self.data_mut().scratch);
        scratch.clear();
        let answer = with(self, &mut scratch);
        // One large body must not hold its memory for ever.
        scratch.shrink_to(SCRATCH_KEPT_MAX);
        self.data_mut().scratch = scratch;
        answer
    }

    /// Hands a value over: the guest owns it then. Nothing is written unless all can be.
    pub(crate) fn give(&mut self, bytes: &[u8], ptr_out: u32, len_out: u32) -> Answer {
        self.read(ptr_out, 4)?;
        self.read(len_out, 4)?;
        let (ptr, len) = self.place(bytes)?;
        self.write_u32(ptr_out, ptr)?;
        self.write_u32(len_out, len)?;
        Ok(())
    }

    /// Puts a value into memory of the guest's own; answers with where it is.
    fn place(&mut self, bytes: &[u8]) -> Result<Slice, Failure> {
        let len = u32::try_from(bytes.len()).map_err(|_wide| Status::InternalFailure)?;
        let ptr = if len == 0 { 0 } else { self.allocate(len)? };
        self.write(ptr, bytes)?;
        Ok((ptr, len))
    }

    /// Memory from the guest's allocator. What it answers is checked when it is written to;
    /// zero means that it has none.
    fn allocate(&mut self, len: u32) -> Result<u32, Failure> {
        let data = self.caller.data_mut();
        let allocate = data.allocate.clone().ok_or(Status::InternalFailure)?;
        let stage = std::mem::replace(&mut data.stage, GuestStage::Allocating);
        let result = allocate.call(&mut self.caller, len);
        self.caller.data_mut().stage = stage;
        match result {
            Ok(0) => Err(Status::InvalidMemoryAccess.into()),
            Ok(ptr) => Ok(ptr),
            Err(error) => Err(Failure::Trap(error)),
        }
    }
}

/// A time-out as guests write it: zero is none of theirs, and a negative number makes no sense.
fn milliseconds(number: u32) -> Result<Option<Duration>, Status> {
    let number = number.cast_signed();
    let number = u64::try_from(number).map_err(|_negative| Status::BadArgument)?;
    Ok((number > 0).then(|| Duration::from_millis(number)))
}

/// Most bytes that the buffer for values keeps between calls.
const SCRATCH_KEPT_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests;
