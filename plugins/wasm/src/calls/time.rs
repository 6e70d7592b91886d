//! The clock.

use std::time::SystemTime;

use wasmtime::Linker;

use super::define;
use crate::state::VmData;

pub(super) fn link(linker: &mut Linker<VmData>) -> wasmtime::Result<()> {
    define!(linker, Always, "proxy_get_current_time_nanoseconds", |call, out| {
        let now = nanoseconds(call.data().calls.now());
        Ok(call.write(out, &now.to_le_bytes())?)
    });
    Ok(())
}

/// Nanoseconds since 1970; they fit into 64 bits until the year 2554.
pub(crate) fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
