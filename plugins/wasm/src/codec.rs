//! Codecs: a guest that reads and writes the frames of a protocol.
//!
//! A module speaks one of two interfaces, which its exports tell: our own (`own`, described in
//! the README of `abi/wasm`), where a context of the guest is a connection and what passes are
//! records, or MOSN's (`mosn`), where a context is a message. Both are plain calls within the
//! budget of a callback. What a guest tells is looked at before it is believed; one that lies is
//! at fault, and never the peer whose bytes it read.
//!
//! It opens no socket and keeps no bytes: the host cuts frames out of its own. Start reading at
//! [`start`], then `own`.

mod context;
mod factory;
mod hooks;
mod mosn;
mod own;

use std::{collections::BTreeSet, rc::Rc, sync::Arc};

use abi_wasm::{codec::export, mosn as names};
use host_extension::{FilterFactory, InstanceSpec, PluginFault, WorkerScope};
use host_types::{Isolation, VmSettings};

use self::factory::{CodecFactory, Seats};
pub(crate) use self::hooks::CodecHooks;
use crate::{alone::LoneFactory, backend::Compiled, fault, registry, seat::Seat};

/// By which interface a module reads a protocol.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Dialect {
    /// By none, since it does not export these.
    None(Vec<&'static str>),
    /// By our own.
    Own,
    /// By MOSN's.
    Mosn,
}

/// What the host keeps of a guest for its codecs.
#[derive(Debug, Default)]
pub(crate) struct CodecState {
    /// Where the guest reads its input, and how many bytes that has.
    pub(crate) buffer: (u32, u32),
    /// It may set the buffers of MOSN's interface.
    pub(crate) is_mosn: bool,
    /// What it set them to in the call that runs.
    pub(crate) answer: Option<(u32, Vec<u8>)>,
}

impl Dialect {
    /// What a module with these exports speaks.
    pub(crate) fn of(exports: &BTreeSet<&str>) -> Self {
        let is_mosn = exports.contains(names::CODEC_MARKER);
        let required: &[&str] =
            if is_mosn { &[names::DECODE, names::ENCODE] } else { &export::REQUIRED };
        let missing: Vec<_> =
            required.iter().copied().filter(|name| !exports.contains(name)).collect();
        match (missing.is_empty(), is_mosn) {
            (false, _) => Self::None(missing),
            (true, true) => Self::Mosn,
            (true, false) => Self::Own,
        }
    }

    /// The settings of a machine as its guests read them.
    ///
    /// # Errors
    /// They cannot be told in this interface; as the end of a sentence.
    pub(crate) fn machine(&self, vm: &VmSettings) -> Result<VmSettings, String> {
        let mut vm = vm.clone();
        if *self == Self::Mosn {
            vm.configuration = mosn::machine_map(&vm.configuration)?;
        }
        Ok(vm)
    }
}

/// Starts a use of a plugin as a codec.
pub(crate) fn start(
    compiled: &Arc<Compiled>,
    scope: &WorkerScope,
    spec: &InstanceSpec,
) -> Result<Rc<dyn FilterFactory>, PluginFault> {
    let refuse = |what: &str| fault::load_failed(&compiled.name, what);
    let mut spec = spec.clone();
    let settings = match &compiled.codec {
        Dialect::None(missing) => return Err(refuse(&missing_exports(missing))),
        Dialect::Own => None,
        Dialect::Mosn => {
            let settings = mosn::Settings::read(&spec.config).map_err(|what| refuse(&what))?;
            spec.config = Arc::clone(&settings.map);
            Some(settings)
        }
    };
    let is_alone = compiled.vm.isolation == Isolation::PerStream;
    // A trial is to see a guest start.
    let seats = if is_alone && scope.worker.is_some() {
        Seats::Lone(LoneFactory::new(compiled, scope, &spec))
    } else {
        Seats::Shared(Seat::new(registry::enter(compiled, scope, &spec)?))
    };
    Ok(Rc::new(CodecFactory::new(seats, settings.map(|settings| settings.pool))?))
}

/// Why a module is no codec, as the end of a sentence.
fn missing_exports(missing: &[&str]) -> String {
    format!(
        "reads no protocol: it does not export `{}`; build it with the Mortise SDK, or see the \
         README of abi/wasm for what a codec exports",
        missing.join("`, `")
    )
}

#[cfg(test)]
mod tests;
