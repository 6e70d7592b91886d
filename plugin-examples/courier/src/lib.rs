//! Courier: teaches the proxy a private RPC protocol of this name, so that pools, ids,
//! heartbeats, timeouts, retries, routes, filters, metrics and the access log hold for it.
//!
//! The protocol is described in the readme. The plugin is no more than its configuration;
//! start reading at [`codec::Courier`].
#![forbid(unsafe_code)]

mod codec;

use mortise_sdk::{Codec, CodecProfile, Host, Phases, Plugin, Refusal};
use serde::Deserialize;

use crate::codec::{Courier, FRAME_BYTES_MAX, HEAD_BYTES, PROFILE};

mortise_sdk::plugin!(Protocol);

/// The plugin's configuration; nothing is required.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most bytes of one frame; a longer one ends its connection.
    frame_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { frame_bytes_max: FRAME_BYTES_MAX }
    }
}

/// What one instance of the plugin keeps.
#[derive(Debug)]
pub struct Protocol(Limits);

impl Plugin for Protocol {
    type Config = Limits;

    /// It filters nothing.
    const PHASES: Phases = Phases::NONE;

    const CODEC: CodecProfile = PROFILE;

    fn start(limits: Limits, _host: &Host<'_>) -> Result<Self, Refusal> {
        if limits.frame_bytes_max < HEAD_BYTES {
            return Err(Refusal::config(format!(
                "`frame_bytes_max` is less than the {HEAD_BYTES} bytes that every frame has"
            )));
        }
        Ok(Self(limits))
    }

    fn codec(&mut self, _host: &Host<'_>) -> Option<Box<dyn Codec>> {
        Some(Box::new(Courier::new(self.0.frame_bytes_max)))
    }
}

#[cfg(test)]
mod tests;
