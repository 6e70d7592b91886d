//! The wasm backend: Proxy-Wasm on wasmtime.
