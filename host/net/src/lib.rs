//! Sockets: listeners, connecting, peeking, byte tunnels.
