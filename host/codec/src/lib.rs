//! The codecs that are built in: bytes in, frames out.
//!
//! Each protocol is one module and knows its wire format only. No socket, no clock, no randomness,
//! no runtime: the pipeline brings bytes and takes frames. What a codec must do is said in
//! [`host_extension::Codec`]; what a protocol's module must do, in `wire.rs`, which does the rest
//! for all of them.
//!
//! Start reading at [`BuiltinCodec`].

mod bolt;
mod dubbo;
mod dubbothrift;
mod hessian;
mod read;
mod tars;
#[cfg(test)]
mod testing;
mod wire;

use std::rc::Rc;

use host_extension::FilterFactory;

use crate::wire::Factory;

/// A protocol that the proxy speaks without a plugin.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum BuiltinCodec {
    /// SOFABolt, versions 1 and 2, which may be mixed on a connection.
    Bolt(BoltSettings),
    /// Dubbo, version 2 of its protocol.
    Dubbo,
    /// Thrift in the frames of Dubbo.
    DubboThrift,
    /// Tars.
    Tars,
}

/// What can be said of bolt.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub struct BoltSettings {
    /// Send the go-away command (100), which only some peers know. It is always understood.
    pub go_away: bool,
}

impl BuiltinCodec {
    /// The names of all protocols, as the configuration writes them.
    pub const NAMES: [&'static str; 4] = ["bolt", "dubbo", "dubbothrift", "tars"];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bolt(_) => "bolt",
            Self::Dubbo => "dubbo",
            Self::DubboThrift => "dubbothrift",
            Self::Tars => "tars",
        }
    }

    /// Makes its codecs.
    #[must_use]
    pub fn factory(self) -> Rc<dyn FilterFactory> {
        match self {
            Self::Bolt(settings) => {
                Rc::new(Factory::new(bolt::profile(settings), move || bolt::Bolt::new(settings)))
            }
            Self::Dubbo => Rc::new(Factory::new(dubbo::profile(), || dubbo::Dubbo)),
            Self::DubboThrift => {
                Rc::new(Factory::new(dubbothrift::PROFILE, || dubbothrift::DubboThrift))
            }
            Self::Tars => Rc::new(Factory::new(tars::PROFILE, || tars::Tars)),
        }
    }
}
