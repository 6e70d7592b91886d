//! Hessian 2, as far as a proxy needs it: strings and numbers are read and written, all other
//! values are gone over.
//!
//! Nothing here builds a value of what it reads, follows a reference or recurses, and whatever a
//! message says of its own lengths, the work is bounded by the bytes that are there. Start reading
//! at [`Values::skip`].

mod text;
mod values;

pub(crate) use text::{Text, is_text, read_text, write_text};
pub(crate) use values::{Values, read_int, read_number};

/// What was read, or why it cannot be.
pub(crate) type Read<T> = Result<T, &'static str>;

/// Stands for no value.
pub(crate) const NULL: u8 = b'N';

/// Begins a map without a type.
pub(crate) const MAP: u8 = b'H';

/// Begins a map with a type.
pub(crate) const TYPED_MAP: u8 = b'M';

/// Ends maps and lists of unknown length.
pub(crate) const END: u8 = b'Z';

/// The message ends within a value.
const CUT_SHORT: &str = "a value is cut short";
