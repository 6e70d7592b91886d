//! The two names in the path of an RPC: `/service/method`, of gRPC and of frames alike.

use std::borrow::Cow;

/// What must hold of the service and the method of a request. The path must have just these two
/// parts; each is compared with its percent-encoding undone, and case counts. A frame that names
/// none has `-` in its place.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RpcMatch {
    /// The service; `None` takes all.
    pub service: Option<Box<str>>,
    /// The method; `None` takes all.
    pub method: Option<Box<str>>,
}

impl RpcMatch {
    /// True where the path names them.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let parts = path.strip_prefix('/').and_then(|path| path.split_once('/'));
        let Some((service, method)) = parts else { return false };
        let is_whole = !service.is_empty() && !method.is_empty() && !method.contains('/');
        let fits = |name: &Option<Box<str>>, part: &str| {
            name.as_ref().is_none_or(|name| *decoded(part) == *name.as_bytes())
        };
        is_whole && fits(&self.service, service) && fits(&self.method, method)
    }
}

/// A percent sign that two digits do not follow stands for itself.
fn decoded(part: &str) -> Cow<'_, [u8]> {
    if !part.contains('%') {
        return Cow::Borrowed(part.as_bytes());
    }
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [byte, behind @ ..] = rest {
        rest = behind;
        let encoded = match (byte, behind) {
            (b'%', [high, low, behind @ ..]) => digit(*high)
                .zip(digit(*low))
                .map(|(high, low)| (high.wrapping_shl(4) | low, behind)),
            _ => None,
        };
        match encoded {
            Some((byte, behind)) => {
                bytes.push(byte);
                rest = behind;
            }
            None => bytes.push(*byte),
        }
    }
    Cow::Owned(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests;
