//! What the guard is told, as it travels over its standard input.
//!
//! Words, a blank between two, a zero byte at the end: a path is the last word, and has blanks
//! but no zero. Both ends are the same program, so the form is nobody else's matter. An order is
//! short enough for a pipe to take it whole.

use std::{
    ffi::OsStr,
    io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
};

use rustix::process::Pid;

/// Bytes of an order: what a pipe takes whole.
pub(super) const ORDER_BYTES_MAX: usize = 4096;
/// What an order ends with.
pub(super) const END: u8 = 0;

/// One order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Order {
    /// This group is the guard's to kill when the proxy is gone.
    Watch(Group),
    /// The group of this leader was killed.
    Forget(Pid),
}

/// A group of processes that a child leads.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Group {
    /// The child, whose number is the group's.
    pub(crate) leader: Pid,
    /// True where nothing keeps its processes from leaving the group.
    pub(crate) may_leave: bool,
    /// The child's directory, which its processes find in their environment, too.
    pub(crate) private: PathBuf,
}

impl Order {
    pub(super) fn encode(&self) -> io::Result<Vec<u8>> {
        let mut bytes = match self {
            Self::Watch(group) => {
                let how = if group.may_leave { "free" } else { "held" };
                let mut bytes = format!("watch {} {how} ", group.leader).into_bytes();
                bytes.extend_from_slice(group.private.as_os_str().as_bytes());
                bytes
            }
            Self::Forget(leader) => format!("forget {leader}").into_bytes(),
        };
        if bytes.len() >= ORDER_BYTES_MAX || bytes.contains(&END) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no path for the guard"));
        }
        bytes.push(END);
        Ok(bytes)
    }

    /// From what comes before the end of an order.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut words = bytes.splitn(4, |byte| *byte == b' ');
        let what = words.next()?;
        let leader = leader(words.next()?)?;
        match (what, words.next(), words.next()) {
            (b"forget", None, None) => Some(Self::Forget(leader)),
            (b"watch", Some(how), Some(path)) => {
                let may_leave = match how {
                    b"free" => true,
                    b"held" => false,
                    _ => return None,
                };
                let private = Path::new(OsStr::from_bytes(path)).to_owned();
                Some(Self::Watch(Group { leader, may_leave, private }))
            }
            _ => None,
        }
    }
}

/// Signals for the group 1 would be for everybody.
fn leader(word: &[u8]) -> Option<Pid> {
    let number: i32 = std::str::from_utf8(word).ok()?.parse().ok()?;
    if number > 1 { Pid::from_raw(number) } else { None }
}

#[cfg(test)]
mod tests;
