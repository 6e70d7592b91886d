//! Proxy-Wasm in numbers and bytes: enums, status codes, pair maps, one file per ABI version.
