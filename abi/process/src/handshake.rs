//! The handshake line of hashicorp/go-plugin, version 1 of its core protocol.
//!
//! A child prints it as the first line of its standard output:
//! `CORE|APP|NETWORK|ADDRESS|PROTOCOL|CERTIFICATE[|MULTIPLEXING]`. Children write it by
//! [`Handshake`]'s `Display`, hosts read it by [`Handshake::parse`]. Pure: bytes in, values out;
//! whether the address may be reached is for the host to judge.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose},
};

/// The version of the core protocol that is spoken.
pub const CORE_VERSION: u32 = 1;

/// The longest line that a host reads. A line with a certificate has about a thousand bytes.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// What a child says of itself as it starts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Handshake {
    /// The version of what it serves, chosen from the host's `PLUGIN_PROTOCOL_VERSIONS`.
    pub app_version: u32,
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Its certificate (DER), where both sides check one (AutoMTLS).
    pub certificate: Option<Vec<u8>>,
    /// Whether it can carry several services over one connection; printed only where the host
    /// asked (`PLUGIN_MULTIPLEX_GRPC`).
    pub multiplexing: Option<bool>,
}

/// Where a child listens.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// A Unix socket by its path.
    Unix(PathBuf),
    /// TCP.
    Tcp(SocketAddr),
}

/// A line that is no handshake that can be followed. Texts of the child are bounded and escaped.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// It is something else.
    #[error("`{line}` is no handshake of go-plugin (1|<version>|unix|<path>|grpc)")]
    Unrecognized {
        /// What was printed.
        line: Box<str>,
    },
    /// Another version of go-plugin's own protocol.
    #[error("it speaks go-plugin's core protocol {found}; version 1 is needed")]
    CoreVersion {
        /// Which one.
        found: u32,
    },
    /// The version of the service cannot be read.
    #[error("`{found}` is no version of a protocol")]
    AppVersion {
        /// What stood there.
        found: Box<str>,
    },
    /// Neither `unix` nor `tcp`.
    #[error("it listens on the network `{found}`; unix or tcp is needed")]
    Network {
        /// What stood there.
        found: Box<str>,
    },
    /// The address does not fit its network.
    #[error("`{found}` is no address of the network {network}")]
    Address {
        /// The network.
        network: &'static str,
        /// What stood there.
        found: Box<str>,
    },
    /// Not gRPC; go-plugin means net/rpc of Go where nothing is said.
    #[error("it serves the protocol `{found}`; grpc is needed")]
    Protocol {
        /// What stood there.
        found: Box<str>,
    },
    /// The certificate is not base64.
    #[error("its certificate is not base64")]
    Certificate,
}

impl Handshake {
    /// Reads a line, with or without its end.
    ///
    /// # Errors
    ///
    /// It is not one, or of a version, network or protocol that is not known.
    pub fn parse(line: &[u8]) -> Result<Self, HandshakeError> {
        let unrecognized = || HandshakeError::Unrecognized { line: shown(line) };
        let text = std::str::from_utf8(line).ok().map(str::trim).ok_or_else(unrecognized)?;
        if text.len() > LINE_BYTES_MAX {
            return Err(unrecognized());
        }
        let mut fields = text.split('|').map(str::trim);
        let mut next = || fields.next();
        let (Some(core), Some(app), Some(network), Some(address)) =
            (next(), next(), next(), next())
        else {
            return Err(unrecognized());
        };
        let core: u32 = core.parse().ok().ok_or_else(unrecognized)?;
        if core != CORE_VERSION {
            return Err(HandshakeError::CoreVersion { found: core });
        }
        let app_version = app
            .parse()
            .ok()
            .ok_or_else(|| HandshakeError::AppVersion { found: shown(app.as_bytes()) })?;
        let endpoint = endpoint(network, address)?;
        protocol(next().unwrap_or("netrpc"))?;
        let certificate = certificate(next().unwrap_or_default())?;
        let multiplexing = next().and_then(boolean);
        Ok(Self { app_version, endpoint, certificate, multiplexing })
    }
}

/// The line without its end.
impl fmt::Display for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{CORE_VERSION}|{}|{}|grpc|", self.app_version, self.endpoint)?;
        if let Some(certificate) = &self.certificate {
            f.write_str(&general_purpose::STANDARD_NO_PAD.encode(certificate))?;
        }
        match self.multiplexing {
            Some(able) => write!(f, "|{able}"),
            None => Ok(()),
        }
    }
}

/// Its two fields.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix|{}", path.display()),
            Self::Tcp(address) => write!(f, "tcp|{address}"),
        }
    }
}

/// Bytes of a child as a message may show them: not too many, nothing that a terminal obeys.
#[must_use]
pub fn shown(bytes: &[u8]) -> Box<str> {
    let (start, cut) = match bytes.split_at_checked(SHOWN_BYTES_MAX) {
        Some((start, rest)) if !rest.is_empty() => (start, true),
        _ => (bytes, false),
    };
    let mut text = String::with_capacity(start.len());
    for chunk in start.trim_ascii_end().utf8_chunks() {
        text.extend(chunk.valid().chars().flat_map(|letter| letter.escape_debug()));
        text.extend(chunk.invalid().iter().flat_map(|byte| byte.escape_ascii()).map(char::from));
    }
    if cut {
        text.push_str("...");
    }
    text.into()
}

const SHOWN_BYTES_MAX: usize = 160;

fn endpoint(network: &str, address: &str) -> Result<Endpoint, HandshakeError> {
    let bad = |network| HandshakeError::Address { network, found: shown(address.as_bytes()) };
    match network {
        "unix" if is_path(address) => Ok(Endpoint::Unix(PathBuf::from(address))),
        "unix" => Err(bad("unix")),
        "tcp" => address.parse().ok().map(Endpoint::Tcp).ok_or_else(|| bad("tcp")),
        other => Err(HandshakeError::Network { found: shown(other.as_bytes()) }),
    }
}

/// Whether a socket can be bound to it: the kernel's limit is 107 bytes and a zero.
fn is_path(address: &str) -> bool {
    Path::new(address).is_absolute() && address.len() < 108 && !address.contains('\0')
}

fn protocol(name: &str) -> Result<(), HandshakeError> {
    match name {
        "grpc" => Ok(()),
        other => Err(HandshakeError::Protocol { found: shown(other.as_bytes()) }),
    }
}

/// Old children print other things in this field: what is too short for a certificate is none,
/// as go-plugin's hosts have it.
fn certificate(field: &str) -> Result<Option<Vec<u8>>, HandshakeError> {
    if field.len() <= 50 {
        return Ok(None);
    }
    BASE64.decode(field).ok().map(Some).ok_or(HandshakeError::Certificate)
}

/// Go prints no padding; others may.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What Go reads as one.
fn boolean(field: &str) -> Option<bool> {
    match field {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
