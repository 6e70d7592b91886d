//! What a confined child can read whatever its policy says: without it no program starts.

use std::path::Path;

use abi_manifest::Capability;

use crate::Policy;

/// Programs and libraries of the system.
pub const SYSTEM: [&str; 7] = ["/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store"];

/// What programs read of the machine as they start.
pub const FACTS: [&str; 12] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/alternatives",
    "/dev/urandom",
    "/dev/random",
    "/dev/zero",
    "/proc/meminfo",
    "/proc/sys/vm/overcommit_memory",
    "/sys/devices/system/cpu",
    "/sys/kernel/mm/transparent_hugepage",
];

/// What programs read of themselves, and where they throw away what they write.
const OWN: [&str; 2] = ["/proc/self", "/dev/null"];

/// Whether a confined child can read a path whatever its policy says. What its own directory holds
/// it can read, too.
#[must_use]
pub fn is_always_readable(path: &Path) -> bool {
    places().any(|place| path.starts_with(place))
}

/// Whether a policy denies to read what a confined child can read all the same: all files, one of
/// these places or what holds it, or the directories in `own`.
pub(crate) fn denies_readable(policy: &Policy, own: &[&Path]) -> bool {
    let of_files = |denial: &&abi_manifest::Permission| {
        denial.capabilities().any(|one| one == Capability::FilesRead)
    };
    policy.denials.iter().filter(of_files).any(|denial| match denial.pattern() {
        Some(pattern) if pattern.is_exact() => {
            let denied = Path::new(pattern.as_str());
            let meets = |place: &Path| denied.starts_with(place) || place.starts_with(denied);
            places().any(meets) || own.iter().any(|place| meets(place))
        }
        Some(_) | None => true,
    })
}

fn places() -> impl Iterator<Item = &'static Path> {
    SYSTEM.iter().chain(&FACTS).chain(&OWN).map(Path::new)
}

#[cfg(test)]
mod tests;
