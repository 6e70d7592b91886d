//! What holds of all connections of a protocol, as one number of 64 bits.
//!
//! From the lowest byte: version, pool mode, flags (1: ids have eight bytes, 2: heartbeats,
//! 4: go-away), zero; then four bytes of the default timeout in milliseconds, zero for none.

use super::VERSION;

/// How connections are shared by requests.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum PoolMode {
    /// 0: many requests at a time, told apart by their ids.
    #[default]
    Multiplexed,
    /// 1: one request at a time.
    PingPong,
    /// 2: one upstream connection for each client's; ids are not changed.
    Bound,
}

/// What holds of a protocol.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ProfileWord {
    /// How connections are shared.
    pub pool: PoolMode,
    /// Ids have eight bytes, not four.
    pub wide_ids: bool,
    /// The proxy may send heartbeats.
    pub heartbeats: bool,
    /// There is a frame that says that no new requests are taken.
    pub go_away: bool,
    /// How long a request waits that does not say, in milliseconds; 0 where the protocol does not
    /// say either.
    pub default_timeout_ms: u32,
}

impl ProfileWord {
    /// As a number; never zero.
    #[must_use]
    pub fn pack(self) -> u64 {
        let pool = match self.pool {
            PoolMode::Multiplexed => 0,
            PoolMode::PingPong => 1,
            PoolMode::Bound => 2,
        };
        let flags =
            u8::from(self.wide_ids) | u8::from(self.heartbeats) << 1 | u8::from(self.go_away) << 2;
        let [version, _] = VERSION.to_le_bytes();
        let [a, b, c, d] = self.default_timeout_ms.to_le_bytes();
        u64::from_le_bytes([version, pool, flags, 0, a, b, c, d])
    }

    /// What a number says; `None` where it says nothing that this version knows.
    #[must_use]
    pub fn unpack(number: u64) -> Option<Self> {
        let [version, pool, flags, zero, a, b, c, d] = number.to_le_bytes();
        if u16::from(version) != VERSION || flags > 7 || zero != 0 {
            return None;
        }
        let pool = match pool {
            0 => PoolMode::Multiplexed,
            1 => PoolMode::PingPong,
            2 => PoolMode::Bound,
            _ => return None,
        };
        Some(Self {
            pool,
            wide_ids: flags & 1 != 0,
            heartbeats: flags & 2 != 0,
            go_away: flags & 4 != 0,
            default_timeout_ms: u32::from_le_bytes([a, b, c, d]),
        })
    }
}
