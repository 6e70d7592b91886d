//! Values of properties.

use abi_wasm::{PairWriter, PairsError};

/// A property's value with its type.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PropertyValue {
    /// Bytes or text.
    Bytes(Vec<u8>),
    /// A signed number.
    Integer(i64),
    /// An unsigned number.
    Unsigned(u64),
    /// Yes or no.
    Boolean(bool),
    /// A point in time or a duration, in nanoseconds.
    Nanoseconds(i64),
    /// Names with values.
    Map(Vec<(Vec<u8>, Vec<u8>)>),
}

impl PropertyValue {
    /// Appends the bytes that plugins of all backends get: those of Proxy-Wasm. Numbers have 8
    /// bytes, little endian; a truth has one; a map travels as header maps do.
    ///
    /// # Errors
    /// A map that is too large for its format; what was appended is of no use then.
    pub fn encode(&self, bytes: &mut Vec<u8>) -> Result<(), PairsError> {
        match self {
            Self::Bytes(text) => bytes.extend_from_slice(text),
            Self::Integer(number) | Self::Nanoseconds(number) => {
                bytes.extend_from_slice(&number.to_le_bytes());
            }
            Self::Unsigned(number) => bytes.extend_from_slice(&number.to_le_bytes()),
            Self::Boolean(truth) => bytes.push(u8::from(*truth)),
            Self::Map(pairs) => {
                let mut writer = PairWriter::new(bytes, pairs.len())?;
                for (name, value) in pairs {
                    writer.push(name, value)?;
                }
                writer.finish()?;
            }
        }
        Ok(())
    }
}
