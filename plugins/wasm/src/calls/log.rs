//! The log.

use abi_wasm::{LogLevel, Status};
use tracing::level_filters::LevelFilter;
use wasmtime::Linker;

use super::{Answer, Call, define};
use crate::{memory, state::VmData};

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    define!(linker, Always, "proxy_log", |call, level, ptr, len| log(call, level, ptr, len));
    define!(linker, Always, "proxy_get_log_level", |call, out| {
        Ok(call.write_u32(out, wanted_level().into())?)
    });
    Ok(())
}

/// What MOSN's SDK calls fatal.
const MOSN_FATAL: u32 = 7;

fn log(call: &mut Call<'_>, level: u32, ptr: u32, len: u32) -> Answer {
    let level = match level {
        // Modules of MOSN's codecs say so when they cannot read a frame.
        MOSN_FATAL if call.data().codec.is_mosn => LogLevel::Critical,
        level => LogLevel::try_from(level).map_err(|_unknown| Status::BadArgument)?,
    };
    let (memory, data) = call.split();
    let line = memory::read(memory, ptr, len).ok_or(Status::InvalidMemoryAccess)?;
    data.write_line(host_level(level), line);
    Ok(())
}

fn host_level(level: LogLevel) -> host_extension::LogLevel {
    match level {
        LogLevel::Trace => host_extension::LogLevel::Trace,
        LogLevel::Debug => host_extension::LogLevel::Debug,
        LogLevel::Info => host_extension::LogLevel::Info,
        LogLevel::Warn => host_extension::LogLevel::Warn,
        LogLevel::Error => host_extension::LogLevel::Error,
        LogLevel::Critical => host_extension::LogLevel::Critical,
    }
}

/// The finest level that anybody listens to.
fn wanted_level() -> LogLevel {
    match LevelFilter::current() {
        LevelFilter::TRACE => LogLevel::Trace,
        LevelFilter::DEBUG => LogLevel::Debug,
        LevelFilter::INFO => LogLevel::Info,
        LevelFilter::WARN => LogLevel::Warn,
        LevelFilter::ERROR => LogLevel::Error,
        _ => LogLevel::Critical,
    }
}
