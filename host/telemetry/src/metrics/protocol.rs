//! What is counted of a protocol with a codec that a listener speaks.

use host_types::FrameKind;

use crate::Counter;

/// The labels of the kinds of frames, by their place in [`ProtocolMetrics`].
pub(crate) const FRAME_LABELS: [&str; 6] =
    ["request", "one_way", "response", "heartbeat", "heartbeat_reply", "go_away"];

/// One protocol of one listener on one worker.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct ProtocolMetrics {
    /// Frames by kind; see [`ProtocolMetrics::frame`].
    pub(crate) frames: [Counter; FRAME_LABELS.len()],
    /// Frames that were malformed, and connections on which the borders of frames were lost.
    pub malformed_total: Counter,
}

impl ProtocolMetrics {
    /// Counts a frame that came from a client or was written to one.
    pub fn frame(&self, kind: FrameKind) {
        let [request, one_way, response, heartbeat, heartbeat_reply, go_away] = &self.frames;
        let count = match kind {
            FrameKind::Request => request,
            FrameKind::OneWay => one_way,
            FrameKind::Response => response,
            FrameKind::Heartbeat => heartbeat,
            FrameKind::HeartbeatReply => heartbeat_reply,
            FrameKind::GoAway => go_away,
        };
        count.increment();
    }

    /// How many frames of a kind were counted, by its label.
    #[must_use]
    pub fn frames(&self, label: &str) -> u64 {
        let place = FRAME_LABELS.iter().position(|known| *known == label);
        place.and_then(|place| self.frames.get(place)).map_or(0, Counter::value)
    }
}
