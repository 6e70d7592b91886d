use std::{fs, path::Path};

use super::*;
use crate::fake::plan;

fn artifact(plan: &PluginPlan) -> Result<Artifact, PluginFault> {
    Reading::of(plan).artifact
}

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
    check_refused(|path| fs::create_dir(path).expect("a directory"), "not a regular file");
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
    let fault = artifact(&plan("greet", &path)).expect_err("missing");
    assert_eq!(fault.kind, FaultKind::LoadFailed);
    assert!(fault.message.contains("plugin.wasm"), "{fault}");

    fs::write(&path, b"abc").expect("a file");
    let artifact = artifact(&plan("greet", &path)).expect("read");
    assert_eq!(
        artifact.digest.to_string(),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
}

const MANIFEST: &str = r#"
schema = 1
[plugin]
name = "greet"
version = "1.0.0"
[[provides]]
point = "stream_filter"
phases = ["request_headers", "log"]
[[artifact]]
backend = "wasm"
file = "greet.wasm"
[[artifact]]
backend = "process"
file = "greet"
arguments = ["first"]
go_plugin = { cookie_key = "K", cookie_value = "v" }
"#;

/// A package with a manifest and two artifacts.
fn package(manifest: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a temporary directory");
    for (name, content) in [(FILE_NAME, manifest), ("greet.wasm", "wasm"), ("greet", "program")] {
        fs::write(directory.path().join(name), content).expect("a file");
    }
    directory
}

#[test]
fn the_manifest_of_a_package_says_which_file_it_is_and_how_it_is_started() {
    let package = package(MANIFEST);
    let wasm = artifact(&plan("greet", package.path())).expect("read");
    assert_eq!(wasm.bytes, b"wasm");
    assert_eq!(wasm.package.phases(None), Some(Phases::REQUEST_HEADERS | Phases::LOG));
    assert_eq!(wasm.package.phases(Some(Phases::NONE)), Some(Phases::NONE), "as configured");

    let process = PluginPlan { backend: BackendKind::Process, ..plan("greet", package.path()) };
    let process = artifact(&process).expect("read");
    assert_eq!(
        (process.bytes.as_slice(), process.path.ends_with("greet")),
        (&b"program"[..], true)
    );
    let mut configured = ProcessSettings::default();
    configured.arguments.push("second".into());
    let settings = process.package.process(&configured);
    assert_eq!(settings.arguments, ["first".into(), "second".into()]);
    assert!(matches!(settings.bootstrap, Bootstrap::GoPlugin { .. }), "{settings:?}");
}

#[test]
fn an_artifact_that_is_a_link_out_of_its_package_is_refused() {
    let (package, other) = (package(MANIFEST), package(MANIFEST));
    let file = package.path().join("greet.wasm");
    fs::remove_file(&file).expect("removed");
    std::os::unix::fs::symlink(other.path().join("greet.wasm"), &file).expect("a link");
    check_package(package.path(), BackendKind::Wasm, "`greet.wasm` leads out of the package");
    // Within it links are nobody's matter, and neither is how the package itself is found.
    fs::remove_file(&file).expect("removed");
    std::os::unix::fs::symlink("greet", &file).expect("a link");
    let link = other.path().join("link");
    std::os::unix::fs::symlink(package.path(), &link).expect("a link");
    assert_eq!(artifact(&plan("greet", &link)).expect("read").bytes, b"program");
}

#[test]
fn a_change_of_the_manifest_or_of_the_artifact_is_noticed() {
    let package = package(MANIFEST);
    let here = package.path();
    assert_eq!(files(&plan("greet", here)), [here.join(FILE_NAME), here.join("greet.wasm")]);
    fs::write(here.join(FILE_NAME), "schema").expect("a file");
    assert_eq!(files(&plan("greet", here)), [here.join(FILE_NAME)]);
    assert_eq!(files(&plan("greet", &here.join("greet"))), [here.join("greet")]);
}

#[test]
fn a_changed_manifest_is_another_artifact() {
    let one = artifact(&plan("greet", package(MANIFEST).path())).expect("read");
    let other = package(&MANIFEST.replace(", \"log\"", ""));
    let other = artifact(&plan("greet", other.path())).expect("read");
    assert_ne!(one.digest, other.digest);
}

#[track_caller]
fn check_package(directory: &Path, backend: BackendKind, expect: &str) {
    let plan = PluginPlan { backend, ..plan("greet", directory) };
    let fault = artifact(&plan).expect_err("refused");
    assert!(fault.message.contains(expect), "{fault}");
}

#[test]
fn a_package_that_cannot_serve_is_refused_with_its_reason() {
    let empty = tempfile::tempdir().expect("a temporary directory");
    check_package(empty.path(), BackendKind::Wasm, "without a `plugin.toml`");
    let good = package(MANIFEST);
    check_package(good.path(), BackendKind::Native, "no artifact for `backend: native`");
    check_package(package("schema = 1").path(), BackendKind::Wasm, "plugin.toml: ");
    fs::remove_file(good.path().join("greet.wasm")).expect("removed");
    check_package(good.path(), BackendKind::Wasm, "No such file");
    fs::write(good.path().join(FILE_NAME), [0xff]).expect("a file");
    check_package(good.path(), BackendKind::Wasm, "is no text");
}

#[test]
fn what_a_manifest_says_of_security_is_known_whatever_is_wrong_with_the_rest() {
    let says = |source: &Path| Reading::of(&plan("greet", source)).says_security;
    let secure = MANIFEST.replace("[plugin]", "[plugin]\nsecurity = true");
    for (text, expect) in [(MANIFEST, Some(false)), (&secure, Some(true)), ("schema = 1", None)] {
        let package = package(text);
        assert_eq!(says(package.path()), expect);
        fs::remove_file(package.path().join("greet.wasm")).expect("removed");
        assert_eq!(says(package.path()), expect);
    }
    let empty = tempfile::tempdir().expect("a temporary directory");
    assert_eq!(says(empty.path()), None, "a package that is not complete");
    assert_eq!(says(&empty.path().join("greet")), None, "there is none");
    fs::write(empty.path().join("greet"), "program").expect("a file");
    assert_eq!(says(&empty.path().join("greet")), Some(false));
}

#[test]
fn what_is_compiled_in_is_not_read() {
    let plan = PluginPlan { backend: BackendKind::Builtin, ..plan("greet", Path::new("a-name")) };
    let artifact = artifact(&plan).expect("there");
    assert!(artifact.bytes.is_empty());
    assert_eq!(artifact.path, Path::new("a-name"));
}

#[test]
fn a_manifest_that_is_no_file_is_told_as_that() {
    let folder = tempfile::tempdir().expect("a directory");
    fs::create_dir(folder.path().join("plugin.toml")).expect("a directory");
    let error = manifest_of(folder.path()).expect_err("it is none");
    assert_eq!(error.to_string(), "its plugin.toml is not a regular file");
}
