//! Configurations as MOSN's guests read them: maps of texts, in the bytes of a header map.

use std::{collections::BTreeMap, sync::Arc};

use abi_wasm::PairWriter;
use host_extension::PoolMode;
use serde_json::Value;

/// The configuration of a use.
#[derive(Debug)]
pub(in crate::codec) struct Settings {
    /// As its guest reads it.
    pub(in crate::codec) map: Arc<[u8]>,
    /// How connections are shared: MOSN's word for it.
    pub(in crate::codec) pool: PoolMode,
}

impl Settings {
    /// Reads a configuration: a map in JSON, whose texts the guest reads, or nothing at all.
    ///
    /// # Errors
    /// It is none; as the end of a sentence.
    pub(in crate::codec) fn read(config: &[u8]) -> Result<Self, String> {
        let texts = texts("configuration", config)?;
        let pool = match texts.get("pool_mode").map_or("multiplex", String::as_str) {
            "multiplex" => PoolMode::Multiplexed,
            "ping-pong" => PoolMode::PingPong,
            "tcp" => PoolMode::Bound,
            other => {
                return Err(format!(
                    "has the `pool_mode` `{other}`: it is `multiplex`, `ping-pong` or `tcp`"
                ));
            }
        };
        Ok(Self { map: map(&texts)?, pool })
    }
}

/// The configuration of a machine as its guest reads it. MOSN says there what the machine is.
pub(in crate::codec) fn machine_map(config: &[u8]) -> Result<Arc<[u8]>, String> {
    let mut texts = texts("`vm.configuration`", config)?;
    texts.entry("Engine".to_owned()).or_insert_with(|| "wasmtime".to_owned());
    map(&texts)
}

fn texts(what: &str, config: &[u8]) -> Result<BTreeMap<String, String>, String> {
    if config.is_empty() {
        return Ok(BTreeMap::new());
    }
    let is_no_map = || format!("is a codec of MOSN's interface, whose {what} is a map");
    let Ok(Value::Object(map)) = serde_json::from_slice(config) else { return Err(is_no_map()) };
    let text = |(name, value)| match value {
        Value::String(value) => Some((name, value)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    };
    Ok(map.into_iter().filter_map(text).collect())
}

fn map(texts: &BTreeMap<String, String>) -> Result<Arc<[u8]>, String> {
    let mut bytes = Vec::new();
    let write = |bytes: &mut Vec<u8>| {
        let mut writer = PairWriter::new(bytes, texts.len())?;
        for (name, value) in texts {
            writer.push(name.as_bytes(), value.as_bytes())?;
        }
        writer.finish()
    };
    write(&mut bytes).map_err(|error| format!("is configured with {error}"))?;
    if bytes.is_empty() {
        // Guests of this interface read the count first, and do not look whether it is there.
        bytes.extend_from_slice(&[0; 4]);
    }
    Ok(bytes.into())
}
