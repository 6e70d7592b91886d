//! One router for HTTP and RPC; pure.
