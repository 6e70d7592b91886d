use std::fs;

use host_extension::FaultKind;

use super::{Artifact, read};

#[track_caller]
fn check_refused(prepare: impl FnOnce(&std::path::Path), expect: &str) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("plugin.wasm");
    prepare(&path);
    let error = read(&path, 4).expect_err("refused");
    assert!(error.to_string().contains(expect), "{error}");
}

#[test]
fn what_cannot_be_an_artifact_is_refused_with_its_reason() {
    check_refused(|_path| {}, "No such file");
    check_refused(|path| fs::create_dir(path).expect("a directory"), "is a directory");
    check_refused(|path| fs::write(path, b"").expect("a file"), "is empty");
    check_refused(|path| fs::write(path, b"12345").expect("a file"), "larger than 4 bytes");
}

#[test]
fn a_device_is_refused_and_not_read() {
    let error = read("/dev/zero".as_ref(), 4).expect_err("refused");
    assert!(error.to_string().contains("not a regular file"), "{error}");
}

#[test]
fn a_file_up_to_the_limit_is_read_whole() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("plugin.wasm");
    fs::write(&path, b"1234").expect("a file");
    assert_eq!(read(&path, 4).expect("read"), b"1234");
}

#[test]
fn the_digest_is_sha_256_and_the_fault_names_the_file() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("plugin.wasm");
    let fault = Artifact::read(&path).expect_err("missing");
    assert_eq!(fault.kind, FaultKind::LoadFailed);
    assert!(fault.message.contains("plugin.wasm"), "{fault}");

    fs::write(&path, b"abc").expect("a file");
    let artifact = Artifact::read(&path).expect("read");
    assert_eq!(
        artifact.digest.to_string(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}
