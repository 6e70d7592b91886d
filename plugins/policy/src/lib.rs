//! What a plugin may do, and the guard that holds it to that.
//!
//! A plugin's manifest asks, the operator's [`Policy`] grants, and [`Rights`] are what both
//! agree on. A backend never holds the host's calls themselves but a [`Guard`] around them. So
//! there is one place for all backends that decides what a plugin may ask for, and that counts
//! every call.
//!
//! What no call can be refused for (memory, files, clocks) is for backends and the kernel to
//! keep; [`Enforcement`] says where nobody does. All permissions, limits and restrictions are
//! listed in `PERMISSIONS.md`, which [`catalogue`] prints.
//!
//! This crate is pure: it does no I/O, reads no clock and rolls no dice. Start reading at
//! [`Rights`], then [`Guard`].

mod call;
mod catalogue;
mod counts;
mod denial;
mod enforcement;
mod fields;
mod grant;
mod guard;
mod policy;
mod preset;
mod readable;
mod recorder;
mod rights;
mod ward;

pub use abi_manifest::{Argument, Capability, Pattern, Permission, PermissionError};
pub use call::HostCall;
pub use catalogue::catalogue;
pub use counts::CallCounts;
pub use denial::{Denial, DenialCounts};
pub use enforcement::{Enforcement, KernelFacts, Runs, Unenforced, UnenforcedError};
pub use fields::{FRAMING, FieldClass, ROUTING, RPC_ROUTING, class_of};
pub use grant::{GrantsOf, advice};
pub use guard::Guard;
pub use policy::{Mode, Policy, Restriction};
pub use preset::Preset;
pub use readable::{FACTS, SYSTEM, is_always_readable};
pub use recorder::{LeftOut, Recorder};
pub use rights::{Access, CapabilityReport, Extent, Names, Rights, Rule, Source, WhyNot};
pub use ward::{OnDenial, Ward};
