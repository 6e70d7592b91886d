//! A copy of a library in memory that nobody can change: what was verified is what is loaded.

use std::{fs::File, io, io::Write};

use host_types::PluginName;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};

/// Makes the copy.
pub(super) fn seal(plugin: &PluginName, bytes: &[u8]) -> io::Result<File> {
    // The name stands in `/proc/PID/maps`, for whoever looks at a crash.
    let name = format!("mortise-{plugin}");
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let mut file = File::from(memfd_create(name, flags)?);
    file.write_all(bytes)?;
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    fcntl_add_seals(&file, seals)?;
    Ok(file)
}

#[cfg(test)]
mod tests;
