//! Every limit of the data path, with its default and what happens past it.

use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Limits of one listener. Counts are per listener and worker unless they say otherwise.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    /// Open downstream connections per worker; past it a new one is closed at once.
    pub connections_max: usize,
    /// Concurrent streams of one HTTP/2 or RPC connection; past it a stream of HTTP/2 is refused,
    /// and requests of RPC wait.
    pub streams_per_connection_max: u32,
    /// Header fields of one head; past it 431.
    pub header_count_max: usize,
    /// Bytes of one head; past it 431 (HTTP/1) or a reset stream (HTTP/2).
    pub header_bytes_max: usize,
    /// Body bytes that a filter may hold; past it 413 for a request, 502 for a response (which
    /// is broken off where the filter let its head go). No filter makes a body grow past it.
    /// Also the bytes of one direction of a connection that a network filter may hold; past it
    /// the connection is closed.
    pub held_body_bytes_max: usize,
    /// Bytes of one frame of an RPC protocol; past it the connection is closed, before anything
    /// is kept for the frame.
    pub frame_bytes_max: usize,
    /// Bytes of the requests that are under way on one client connection of an RPC protocol, and
    /// of their responses; past it no more requests begin until some have gone, and nothing is
    /// read once a megabyte of them waits. Never less than `frame_bytes_max`, and a frame that is
    /// alone always passes.
    pub rpc_bytes_max: usize,
    /// Longest timeout that a frame may ask for; longer ones are cut to it. What a route says is
    /// not cut.
    pub frame_timeout_max: Duration,
    /// Longest wait for a whole HTTP/1 request head; past it the connection is closed. Also for a
    /// frame of an RPC protocol that has begun, with a second more for each 64 KiB of it.
    pub header_timeout: Duration,
    /// Longest wait between requests of a connection; also how long a tunnel may be silent, and
    /// how long a sniffing listener waits for a first byte.
    pub idle_timeout: Duration,
    /// Longest time that a stream may make no progress in either direction while one of its
    /// bodies, or a frame of an RPC protocol, is on its way; also the longest time that a filter may hold a stream, or the end of
    /// one direction of a connection, and how long a client may take nothing of the last bytes of
    /// a connection behind network filters.
    pub stall_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 8192,
            streams_per_connection_max: 100,
            header_count_max: 100,
            header_bytes_max: 16 * KIB,
            held_body_bytes_max: MIB,
            frame_bytes_max: 8 * MIB,
            rpc_bytes_max: 16 * MIB,
            frame_timeout_max: Duration::from_secs(600),
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(60),
        }
    }
}

/// Limits of one plugin instance.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PluginLimits {
    /// Linear memory of one instance, in bytes.
    pub memory_bytes_max: usize,
    /// Elements of one table of an instance.
    pub table_elements_max: usize,
    /// Processor time of one callback.
    pub call_budget: Duration,
    /// Processor time of start-up: instantiation, start functions, configuration.
    pub start_budget: Duration,
    /// Streams that one instance may have open at a time.
    pub contexts_max: usize,
    /// Log lines that one instance may write a second; the rest are counted and dropped.
    pub log_lines_per_second_max: u32,
    /// Bytes of one log line; the rest of the line is cut off.
    pub log_line_bytes_max: usize,
    /// Processor time that one instance may use in a second, where there is such a limit; past
    /// it its streams fail until the second is over.
    pub cpu_per_second: Option<Duration>,
    /// HTTP and gRPC calls that it may have under way on one worker; past it a call is refused.
    pub calls_max: usize,
    /// Bytes of one such call: head, body and trailers; past it the call is refused.
    pub call_bytes_max: usize,
    /// Longest wait for the answer to one such call; longer waits are cut to it.
    pub call_timeout_max: Duration,
    /// Shortest period of its timer; shorter periods become this.
    pub tick_period_min: Duration,
    /// Metrics that it may define.
    pub metrics_max: usize,
    /// Bytes of the keys and values that it may keep as shared data, in its own namespace; past
    /// it old ones are let go.
    pub shared_data_bytes_max: usize,
    /// Body bytes (or bytes of one direction of a connection) that it may hold, where that is
    /// less than the listener's limit.
    pub held_body_bytes_max: Option<usize>,
}

impl Default for PluginLimits {
    fn default() -> Self {
        Self {
            memory_bytes_max: 64 * MIB,
            table_elements_max: 20_000,
            call_budget: Duration::from_millis(10),
            start_budget: Duration::from_secs(1),
            contexts_max: 65_536,
            log_lines_per_second_max: 1000,
            log_line_bytes_max: 8 * KIB,
            cpu_per_second: None,
            calls_max: 1024,
            call_bytes_max: MIB,
            call_timeout_max: Duration::from_secs(60),
            tick_period_min: Duration::from_millis(10),
            metrics_max: 1000,
            shared_data_bytes_max: 16 * MIB,
            held_body_bytes_max: None,
        }
    }
}
