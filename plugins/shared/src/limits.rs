//! How much plugins may share.

/// What one process keeps for plugins. A call that would go past a limit is answered with
/// `LimitReached` and changes nothing; but shared data that is full lets go of old keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SharedLimits {
    /// Namespaces.
    pub namespaces_max: usize,
    /// Bytes of shared data in one namespace: keys, values, and what it costs to keep them.
    pub data_bytes_max: usize,
    /// Keys of shared data in one namespace.
    pub keys_max: usize,
    /// Bytes of one key.
    pub key_bytes_max: usize,
    /// Bytes of one value.
    pub value_bytes_max: usize,
    /// Queues in one namespace.
    pub queues_max: usize,
    /// Bytes of a queue's name.
    pub queue_name_bytes_max: usize,
    /// Places at one queue; only the newest is told, the others wait behind it.
    pub registrations_max: usize,
    /// Items in one queue.
    pub items_max: usize,
    /// Bytes of one item.
    pub item_bytes_max: usize,
    /// Bytes of all items in all queues of one namespace, with what it costs to keep them.
    pub queued_bytes_max: usize,
}

impl Default for SharedLimits {
    fn default() -> Self {
        Self {
            namespaces_max: 1024,
            data_bytes_max: 64 * MIB,
            keys_max: 262_144,
            key_bytes_max: 4096,
            value_bytes_max: 16 * MIB,
            queues_max: 256,
            queue_name_bytes_max: 4096,
            registrations_max: 4096,
            items_max: 65_536,
            item_bytes_max: 4 * MIB,
            queued_bytes_max: 64 * MIB,
        }
    }
}

const MIB: usize = 1024 * 1024;
