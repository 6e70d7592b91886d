//! The rows of connections.

use abi_manifest::Capability;
use serde_json::json;

use super::Row;

pub(super) fn rows() -> Vec<Row> {
    let of = |capability, grant: &str, script| Row::new(capability, grant, script).connection();
    vec![
        of(
            Capability::TcpDownstreamRead,
            "tcp.downstream.read",
            json!({ "downstream_data": [{ "once": [{ "note_bytes": "downstream" }] }] }),
        ),
        of(
            Capability::TcpDownstreamWrite,
            "tcp.downstream.write",
            json!({ "downstream_data": [{ "once": [{ "append": ["downstream", "!"] }] }] }),
        )
        .beside(&["tcp.downstream.read"]),
        of(
            Capability::TcpUpstreamRead,
            "tcp.upstream.read",
            json!({ "upstream_data": [{ "once": [{ "note_bytes": "upstream" }] }] }),
        ),
        of(
            Capability::TcpUpstreamWrite,
            "tcp.upstream.write",
            json!({ "upstream_data": [{ "once": [{ "append": ["upstream", "!"] }] }] }),
        )
        .beside(&["tcp.upstream.read"]),
    ]
}
