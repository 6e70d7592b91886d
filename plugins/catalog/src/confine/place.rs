//! Where places of the file system really are: without links, and without steps that lead back.
//!
//! Rights decide about paths by their text. A text that leads elsewhere would be decided about
//! under a wrong name, and the kernel opens what it leads to.

use std::{
    ffi::OsString,
    fs, io, path,
    path::{Component, Path, PathBuf},
};

use plugins_policy::{Capability, Permission, Policy};

/// The path without links, as far as it is there; what is not there yet is taken by its text.
///
/// # Errors
/// Nobody can tell where it leads: a link that leads nowhere, a directory that is closed.
pub(super) fn real(place: &Path) -> io::Result<PathBuf> {
    let place = path::absolute(place)?;
    let mut missing: Vec<OsString> = Vec::new();
    let mut there = place.as_path();
    let mut real = loop {
        let error = match fs::canonicalize(there) {
            Ok(real) => break real,
            Err(error) => error,
        };
        // A link that leads nowhere may lead anywhere later.
        let is_missing = error.kind() == io::ErrorKind::NotFound && !there.is_symlink();
        match (there.parent(), there.components().next_back()) {
            (Some(parent), Some(last)) if is_missing => {
                missing.push(last.as_os_str().to_owned());
                there = parent;
            }
            _ => return Err(error),
        }
    };
    while let Some(name) = missing.pop() {
        if Path::new(&name).components().eq([Component::ParentDir]) {
            real.pop();
        } else {
            real.push(name);
        }
    }
    Ok(real)
}

/// The denial that leads by a link to a place, into it, or to what holds it. `place` is a real
/// path.
pub(super) fn denied_by_link<'a>(policy: &'a Policy, place: &Path) -> Option<&'a Permission> {
    policy.denials.iter().find(|denial| {
        let is_of_files = denial.capabilities().any(|one| one == Capability::FilesRead);
        let path = denial.pattern().filter(|pattern| is_of_files && pattern.is_exact());
        path.is_some_and(|path| {
            real(Path::new(path.as_str()))
                .is_ok_and(|path| path.starts_with(place) || place.starts_with(&path))
        })
    })
}

#[cfg(test)]
mod tests;
