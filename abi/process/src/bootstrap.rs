//! The beginning of a child's standard input: a length, then [`BootstrapParams`].
//!
//! Both sides use this: the proxy writes, the child reads. Nothing is read past the message, so
//! what follows stays for whoever reads on: the end of the input says that the proxy is gone.

use std::io::{self, Read, Write};

use prost::Message;

use crate::v1::BootstrapParams;

/// The version of this bootstrap.
pub const VERSION: u32 = 1;
/// The file descriptor of the listening socket.
pub const LISTENER_FD: u32 = 3;
/// The metadata of a session that carries the token.
pub const TOKEN_KEY: &str = "mortise-token";
/// The longest message: it holds a name, an address and a token.
pub const PARAMS_BYTES_MAX: usize = 64 * 1024;

/// Why the parameters of a start could not be passed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BootstrapError {
    /// The pipe is gone, or ended too soon.
    #[error("the parameters of the start could not be passed on")]
    Io(#[from] io::Error),
    /// The length is that of no message of ours: somebody else is at the other end.
    #[error("the parameters of the start are said to be {0} bytes long")]
    Length(usize),
    /// The message is none.
    #[error("the parameters of the start are no message of this protocol")]
    Malformed(#[from] prost::DecodeError),
    /// The other side starts children in another way.
    #[error("the version of the bootstrap is {0}, and not 1")]
    Version(u32),
}

/// Writes the parameters with their length in front.
///
/// # Errors
/// They are too long, or nobody reads them.
pub fn write_params(to: &mut impl Write, params: &BootstrapParams) -> Result<(), BootstrapError> {
    let message = params.encode_to_vec();
    let length = u32::try_from(message.len()).ok();
    let length = length.filter(|_narrow| message.len() <= PARAMS_BYTES_MAX);
    let length = length.ok_or(BootstrapError::Length(message.len()))?;
    let mut bytes = Vec::with_capacity(4 + message.len());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&message);
    to.write_all(&bytes)?;
    to.flush()?;
    Ok(())
}

/// Reads the parameters, and not a byte more.
///
/// # Errors
/// There are none, or none of this version.
pub fn read_params(from: &mut impl Read) -> Result<BootstrapParams, BootstrapError> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > PARAMS_BYTES_MAX {
        return Err(BootstrapError::Length(length));
    }
    let mut message = vec![0; length];
    from.read_exact(&mut message)?;
    let params = BootstrapParams::decode(message.as_slice())?;
    if params.version != VERSION {
        return Err(BootstrapError::Version(params.version));
    }
    Ok(params)
}

#[cfg(test)]
mod tests;
