//! The first line of a child's standard output, within its limits.

use std::time::Duration;

use abi_process::handshake::{LINE_BYTES_MAX, shown};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    time::{Instant, timeout_at},
};

use super::{GoPluginError, Printed};

/// Reads up to the first line's end and no further: what comes behind stays in `stdout`.
///
/// What was read is told where the line does not come to its end until `deadline`, which was
/// `timeout` away when the child started.
pub(super) async fn first<R: AsyncRead + Unpin>(
    stdout: &mut BufReader<R>,
    deadline: Instant,
    timeout: Duration,
) -> Result<Vec<u8>, GoPluginError> {
    let mut line = Vec::new();
    loop {
        let piece = match timeout_at(deadline, stdout.fill_buf()).await {
            Ok(piece) => piece.map_err(GoPluginError::Unreadable)?,
            Err(_elapsed) => {
                let after = rounded(timeout);
                return Err(GoPluginError::Silent { after, printed: Printed::of(&line) });
            }
        };
        if piece.is_empty() {
            return Err(match line.is_empty() {
                true => GoPluginError::EndedAtOnce,
                false => GoPluginError::Ended { printed: Printed::of(&line) },
            });
        }
        let (read, ended) = match piece.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (piece.len(), false),
        };
        line.extend(piece.iter().take(read));
        stdout.consume(read);
        if line.len() > LINE_BYTES_MAX {
            let printed = Printed::of(&line);
            return Err(GoPluginError::TooLong { max: LINE_BYTES_MAX, printed });
        }
        if ended {
            return Ok(line);
        }
    }
}

/// As a message shows it: what is left of a time is a crooked number.
pub(super) fn rounded(time: Duration) -> Duration {
    let tenths = time.as_millis().div_ceil(100);
    Duration::from_millis(u64::try_from(tenths).unwrap_or(u64::MAX).saturating_mul(100))
}

impl Printed {
    fn of(line: &[u8]) -> Self {
        match line {
            [] => Self(", it printed nothing".into()),
            some => Self(format!(", it printed `{}`", shown(some)).into()),
        }
    }
}

impl std::fmt::Display for Printed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
