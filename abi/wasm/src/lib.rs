//! Proxy-Wasm in numbers and bytes: enums, status codes, pair maps, one file per ABI version; and
//! what goes beyond it, for protocols.
//!
//! Data only: no guest, no I/O, no clock. What a host does when a guest calls is the
//! business of the wasm backend; what the numbers are called is said here, once.
//!
//! Start reading at [`AbiVersion`], then [`Status`]; for codecs, at [`codec`].

pub mod codec;
mod higress;
pub mod mosn;
mod numbers;
mod pairs;
pub mod preview1;
mod signature;
mod v0_1_0;
mod v0_2_0;
mod v0_2_1;
mod version;

pub use higress::EXTRAS as HIGRESS_EXTRAS;
pub use mosn::ALIASES as MOSN_ALIASES;
pub use numbers::{
    Action, BufferType, LogLevel, MapType, MetricType, PeerType, Status, StreamType, UnknownNumber,
};
pub use pairs::{PAIR_BYTES_MAX, PAIR_COUNT_MAX, PairWriter, Pairs, PairsError, decode_pairs};
pub use signature::{HostFunction, ParamType};
pub use version::{AbiVersion, MARKER_PREFIX, host_functions, offered_functions};
