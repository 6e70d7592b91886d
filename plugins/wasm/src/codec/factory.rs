//! The factory of one use of a plugin that reads a protocol.

use std::{rc::Rc, time::Duration};

use abi_wasm::codec::{self, ProfileWord, export};
use host_extension::{
    Codec, CodecProfile, FaultKind, FilterFactory, Phases, PluginFault, PoolMode,
};
use host_types::IdWidth;

use super::{CodecHooks, context::ask, mosn::MosnCodec, own::OwnCodec};
use crate::{alone::LoneFactory, fault, seat::Seat};

/// Makes codecs.
#[derive(Debug)]
pub(super) struct CodecFactory {
    seats: Seats,
    profile: CodecProfile,
}

/// Where the codecs of a use live.
#[derive(Debug)]
pub(super) enum Seats {
    /// All in one guest.
    Shared(Rc<Seat>),
    /// Each in its own.
    Lone(LoneFactory),
}

impl Seats {
    fn seat(&self) -> Result<Rc<Seat>, PluginFault> {
        match self {
            Self::Shared(seat) => Ok(Rc::clone(seat)),
            Self::Lone(factory) => factory.seat(),
        }
    }
}

impl CodecFactory {
    /// Asks a guest for the profile, and has it make a codec: what serves no protocol shall not
    /// start. `pool` is said where the guest cannot say it.
    pub(super) fn new(seats: Seats, pool: Option<PoolMode>) -> Result<Self, PluginFault> {
        let seat = seats.seat()?;
        let profile = match seat.vm.hooks().codec.as_ref() {
            Some(CodecHooks::Mosn(hooks)) => CodecProfile {
                pool: pool.unwrap_or_default(),
                // Hosts of this interface have ids of four bytes.
                id_width: IdWidth::Four,
                heartbeats: hooks.heartbeat.is_some(),
                ..CodecProfile::default()
            },
            Some(CodecHooks::Own(_)) | None => own_profile(&seat)?,
        };
        // Whatever it says, it does not serve.
        let load_failed = |fault| PluginFault { kind: FaultKind::LoadFailed, ..fault };
        drop(make(&seat).map_err(load_failed)?);
        Ok(Self { seats, profile })
    }
}

fn own_profile(seat: &Seat) -> Result<CodecProfile, PluginFault> {
    let Some(CodecHooks::Own(hooks)) = &seat.vm.hooks().codec else {
        return Err(fault::load_failed(&seat.root.plugin, "reads no protocol"));
    };
    let root = seat.root.id;
    let number = ask(seat, root, export::PROFILE, |store| hooks.profile.call(store, root).map(Ok))?;
    if number == 0 {
        let what = "reads no protocol: it answered `mortise_codec_profile` with zero";
        return Err(fault::load_failed(&seat.root.plugin, what));
    }
    let word = ProfileWord::unpack(number).ok_or_else(|| {
        let what = format!(
            "answered `mortise_codec_profile` with {number:#x}, which says nothing in version {} \
             of the interface",
            codec::VERSION
        );
        fault::load_failed(&seat.root.plugin, &what)
    })?;
    let timeout = u64::from(word.default_timeout_ms);
    Ok(CodecProfile {
        pool: match word.pool {
            codec::PoolMode::Multiplexed => PoolMode::Multiplexed,
            codec::PoolMode::PingPong => PoolMode::PingPong,
            codec::PoolMode::Bound => PoolMode::Bound,
        },
        id_width: if word.wide_ids { IdWidth::Eight } else { IdWidth::Four },
        // Without the callbacks there are none.
        heartbeats: word.heartbeats && hooks.heartbeat.is_some(),
        go_away: word.go_away && hooks.go_away.is_some(),
        default_timeout: (timeout > 0).then(|| Duration::from_millis(timeout)),
    })
}

fn make(seat: &Rc<Seat>) -> Result<Rc<dyn Codec>, PluginFault> {
    match &seat.vm.hooks().codec {
        Some(CodecHooks::Mosn(_)) => Ok(Rc::new(MosnCodec::new(seat))),
        Some(CodecHooks::Own(hooks)) => Ok(Rc::new(OwnCodec::new(seat, hooks)?)),
        None => Err(fault::load_failed(&seat.root.plugin, "reads no protocol")),
    }
}

impl FilterFactory for CodecFactory {
    fn phases(&self) -> Phases {
        Phases::NONE
    }

    fn codec(&self) -> Result<Rc<dyn Codec>, PluginFault> {
        make(&self.seats.seat()?)
    }

    fn codec_profile(&self) -> CodecProfile {
        self.profile
    }

    fn outlives(&self, _fault: &PluginFault) -> bool {
        matches!(self.seats, Seats::Lone(_))
    }
}
