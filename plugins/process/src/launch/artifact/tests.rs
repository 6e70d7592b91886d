use super::*;

fn check(bytes: &[u8], expect: &str) {
    let error = Artifact::new(Path::new("/nowhere/x"), bytes).unwrap_err();
    assert!(error.to_string().contains(expect), "{error}");
}

#[test]
fn what_is_no_program_is_refused_in_words() {
    check(b"", "empty");
    check(b"hello", "neither an ELF program nor a script");
    check(b"\0asm\x01\0\0\0", "backend: wasm");
}

#[test]
fn a_program_is_sealed_and_a_script_remembered() {
    let own = std::fs::read("/proc/self/exe").unwrap();
    let artifact = Artifact::new(Path::new("/nowhere"), &own).unwrap();
    let seals = rustix::fs::fcntl_get_seals(artifact.file().unwrap()).unwrap();
    assert!(seals.contains(SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK));
    let script = tempfile::NamedTempFile::new().unwrap();
    let artifact = Artifact::new(script.path(), b"#!/bin/sh\n").unwrap();
    assert!(artifact.file().is_none());
    assert!(matches!(artifact, Artifact::Script { digest: d, .. } if d == digest(b"#!/bin/sh\n")));
}
