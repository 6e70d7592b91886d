//! Generates the types and services of `proto/`; protox reads the files, so no `protoc` is
//! needed.

use std::error::Error;

const FILES: [&str; 4] =
    ["proto/plugin.proto", "proto/bootstrap.proto", "proto/go_plugin.proto", "proto/health.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    for file in FILES {
        println!("cargo::rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["proto"])?;
    tonic_prost_build::configure()
        .bytes(".mortise.plugin.v1")
        .bytes(".plugin")
        .compile_fds(descriptors)?;
    Ok(())
}
