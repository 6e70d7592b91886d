//! Detection by the first bytes.

use super::{
    CodecKit, Expect,
    flaw::{Flaw, Law, Wrong, guarded},
};
use crate::{Decoded, Detection, FrameKind};

/// Most bytes that a codec is shown.
pub(super) const BYTES_MAX: usize = 4096;

/// First bytes of protocols that stand beside others on a listener.
pub(super) fn foreign() -> Vec<(String, Vec<u8>)> {
    let list: [(&str, &[u8]); 4] = [
        ("HTTP/1.1", b"GET /index.html HTTP/1.1\r\nhost: example.com\r\n\r\n"),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"),
        ("TLS", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"),
        ("zeros", b"\0\0\0\0\0\0\0\0"),
    ];
    list.map(|(name, bytes)| (name.to_owned(), bytes.to_vec())).into()
}

impl CodecKit {
    /// The first bytes of each sample that a client sends, and those of others.
    pub(super) fn is_detected(&self) -> Result<(), Flaw> {
        let sound = self.samples.iter().filter(|sample| sample.expect == Expect::Sound);
        for sample in sound.filter(|sample| self.is_of_a_client(&sample.bytes)) {
            self.matches(&sample.bytes)
                .map_err(|wrong| wrong.of(&sample.name).in_bytes(&sample.bytes))?;
        }
        for (name, bytes) in &self.foreign {
            self.is_another(bytes).map_err(|wrong| wrong.of(name).in_bytes(bytes))?;
        }
        Ok(())
    }

    /// The first byte onwards: more, and then a match.
    fn matches(&self, bytes: &[u8]) -> Result<(), Wrong> {
        let all = bytes.len().min(BYTES_MAX);
        let mut matched = None;
        for length in 1..=all {
            let first = bytes.get(..length).unwrap_or_default();
            let told = guarded("detect", || self.codec().detect(first))?;
            let what = match (told, matched) {
                (Detection::Match, _) => {
                    matched = matched.or(Some(length));
                    continue;
                }
                (Detection::NeedMore, None) => continue,
                (_, None) => format!("the first {length} bytes are told to be another one's"),
                (_, Some(before)) => format!("{before} bytes matched, and {length} are {told:?}"),
            };
            return Err(Wrong::new(Law::Detect, what));
        }
        match matched {
            Some(_) => Ok(()),
            None => Err(Wrong::new(Law::Detect, format!("{all} bytes do not tell"))),
        }
    }

    fn is_another(&self, bytes: &[u8]) -> Result<(), Wrong> {
        let mut first = bytes.to_vec();
        first.resize(BYTES_MAX, 0);
        let mut lengths: Vec<usize> = (1..=bytes.len()).collect();
        lengths.push(BYTES_MAX);
        for length in lengths {
            let shown = first.get(..length).unwrap_or_default();
            let told = guarded("detect", || self.codec().detect(shown))?;
            let what = match told {
                Detection::No => return Ok(()),
                Detection::NeedMore if length < BYTES_MAX => continue,
                Detection::NeedMore => format!("{length} bytes do not tell that it is another"),
                Detection::Match => format!("the first {length} bytes are taken for its own"),
            };
            return Err(Wrong::new(Law::Detect, what));
        }
        Ok(())
    }

    /// True where the first frame is one that clients begin with.
    fn is_of_a_client(&self, bytes: &[u8]) -> bool {
        let Decoded::Frame(frame) = self.codec().decode(bytes) else { return false };
        match frame.kind {
            FrameKind::Request | FrameKind::OneWay | FrameKind::Heartbeat => true,
            FrameKind::Response | FrameKind::HeartbeatReply | FrameKind::GoAway => false,
        }
    }
}
