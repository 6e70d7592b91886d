use std::{fs, path::Path};

use host_extension::{FaultKind, FilterFactory, PluginFault, Side, Step, Verdict};
use host_types::{NativeAllowed, NativeSettings};
use sha2::{Digest, Sha256};

use crate::{
    NativeBackend,
    testing::{BACKEND, Worker, builtin, compile, header, stream, with_spec},
};

fn allowing(bytes: &[u8]) -> NativeSettings {
    let digest = Sha256::digest(bytes).into();
    NativeSettings { allow: vec![NativeAllowed::Sha256(digest)], ..NativeSettings::default() }
}

fn load(bytes: &[u8]) -> Result<std::rc::Rc<dyn FilterFactory>, PluginFault> {
    let loaded = with_spec(Path::new("p.so"), bytes, &allowing(bytes), |spec| BACKEND.load(spec))?;
    Worker::new().start_loaded(&*loaded, "")
}

#[track_caller]
fn refused(bytes: &[u8], why: &str) {
    let fault = load(bytes).expect_err("it is refused");
    assert_eq!(fault.kind, FaultKind::LoadFailed, "{fault}");
    assert!(fault.message.starts_with("plugin `p` ") && fault.message.contains(why), "{fault}");
}

fn ask(factory: &dyn FilterFactory) -> Step {
    let stream = stream();
    let mut filter = factory.stream_filter(&stream).expect("a filter");
    filter.on_request_headers(&stream, true)
}

#[test]
fn a_library_in_c_is_loaded_and_serves() {
    let Some(bytes) = compile::plain(&[("ANSWER", "MORTISE_RESET")]) else { return };
    let factory = load(&bytes).expect("it loads");
    assert!(matches!(ask(&*factory), Step::Ready(Verdict::Reset)));
}

#[test]
fn a_response_has_so_many_fields() {
    let answer = r#"
        static mortise_handle *proxy;
        static mortise_action answer(uint64_t context, size_t count) {
            static mortise_field fields[1025];
            for (int at = 0; at < 1025; at++)
                fields[at].name = (mortise_bytes){(const uint8_t *)"x-a", 3};
            mortise_response response = {.size = sizeof response, .status = 200,
                                         .fields = {fields, count}, .grpc_status = -1};
            switch (proxy->host->respond(proxy, context, &response)) {
            case MORTISE_OK: return MORTISE_RESPOND;
            case MORTISE_LIMIT_REACHED: return MORTISE_RESET;
            default: return MORTISE_CONTINUE;
            }
        }
        static int dummy;"#;
    let source = compile::PLAIN.replace("static int dummy;", answer);
    let source = source.replace("(void)handle;", "proxy = handle;");
    for (count, is_taken) in [(1024, true), (1025, false)] {
        let source = source.replace("ANSWER", &format!("answer(context, {count})"));
        let words = ["SIZE=sizeof(mortise_plugin)", "MAJOR=MORTISE_ABI_MAJOR", "NEW=instance_new"];
        let words = words.into_iter().chain(["FREE=instance_free", "TABLE=&plugin"]);
        let words: Vec<_> = words.map(|word| format!("-D{word}")).collect();
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        let Some(bytes) = compile::library(&source, &words) else { return };
        let step = ask(&*load(&bytes).expect("it loads"));
        let answered = matches!(
            &step, Step::Ready(Verdict::Respond(reply)) if reply.headers.len() == count
        );
        let broken_off = matches!(step, Step::Ready(Verdict::Reset));
        assert_eq!((answered, broken_off), (is_taken, !is_taken), "{count}");
    }
}

#[test]
fn the_same_bytes_are_loaded_once_and_others_beside_them() {
    let Some(one) = compile::plain(&[("ANSWER", "MORTISE_CONTINUE")]) else { return };
    let Some(two) = compile::plain(&[("ANSWER", "MORTISE_RESET")]) else { return };
    let first = load(&one).expect("it loads");
    let before = BACKEND.loaded();
    let second = load(&two).expect("it loads");
    load(&two).expect("it is there");
    load(&one).expect("it is there");
    assert!(BACKEND.loaded() <= before + 1, "both are there, and perhaps those of other tests");
    // The library before stays what it is.
    assert!(matches!(ask(&*first), Step::Ready(Verdict::Continue)));
    assert!(matches!(ask(&*second), Step::Ready(Verdict::Reset)));
}

#[test]
fn a_process_loads_so_many_libraries() {
    let Some(one) = compile::plain(&[("ANSWER", "MORTISE_PAUSE")]) else { return };
    let Some(bad) = compile::plain(&[("TABLE", "0")]) else { return };
    let mut backend = NativeBackend::new(Vec::new());
    backend.libraries_max = 1;
    let load = |bytes: &[u8]| {
        with_spec(Path::new("p.so"), bytes, &allowing(bytes), |spec| backend.load(spec).map(drop))
    };
    assert!(load(&bad).is_err(), "it was loaded before it was refused, and stays");
    let fault = load(&one).expect_err("there is no room");
    assert!(fault.message.contains("has loaded 1 libraries already"), "{fault}");
}

#[test]
fn answers_that_break_the_rules_are_faults() {
    for (answer, kind, why) in [
        ("77", FaultKind::Protocol, "answered with 77, which is no action"),
        ("MORTISE_RESPOND", FaultKind::Protocol, "did not say with what"),
        ("MORTISE_FAILED", FaultKind::Trapped, "it did not say why"),
    ] {
        let Some(bytes) = compile::plain(&[("ANSWER", answer)]) else { return };
        let Step::Ready(Verdict::Failed(fault)) = ask(&*load(&bytes).expect("it loads")) else {
            panic!("{answer}")
        };
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(fault.message.contains(why), "{fault}");
    }
}

#[test]
fn an_older_and_a_newer_table_are_served() {
    // Up to the hook that it has, and with as much as a table may have some day.
    let older = "offsetof(mortise_plugin, request_body)";
    for size in [older, "sizeof(mortise_plugin) + 8"] {
        let words = [("ANSWER", "MORTISE_RESET"), ("SIZE", size)];
        let Some(bytes) = compile::plain(&words) else { return };
        let factory = load(&bytes).expect("it loads");
        assert!(matches!(ask(&*factory), Step::Ready(Verdict::Reset)), "{size}");
    }
}

#[test]
fn what_a_table_has_behind_its_size_is_not_there() {
    let words =
        [("ANSWER", "MORTISE_RESET"), ("SIZE", "offsetof(mortise_plugin, request_headers)")];
    let Some(bytes) = compile::plain(&words) else { return };
    assert!(matches!(ask(&*load(&bytes).expect("it loads")), Step::Ready(Verdict::Continue)));
}

#[test]
fn tables_that_cannot_be_served_are_refused() {
    let cases = [
        (("SIZE", "24"), "has a table of 24 bytes"),
        (("MAJOR", "2"), "has a table of version 2, and this proxy takes version 1"),
        (("NEW", "0"), "has a table without `instance_new`"),
        (("FREE", "0"), "has a table without `instance_free`"),
        (("TABLE", "0"), "does not serve this version of the proxy"),
    ];
    for (word, why) in cases {
        let Some(bytes) = compile::plain(&[word]) else { return };
        refused(&bytes, why);
    }
}

#[test]
fn a_library_that_needs_a_symbol_that_nobody_has_is_refused() {
    let source = format!("{}\nvoid nobody(void);\nvoid call(void) {{ nobody(); }}", compile::PLAIN);
    let words = [
        "-DANSWER=0",
        "-DSIZE=sizeof(mortise_plugin)",
        "-DMAJOR=1",
        "-DNEW=instance_new",
        "-DFREE=instance_free",
        "-DTABLE=&plugin",
    ];
    let Some(bytes) = compile::library(&source, &words) else { return };
    refused(&bytes, "nobody");
}

#[test]
fn only_what_the_operator_allows_is_loaded() {
    let Some(bytes) = compile::plain(&[]) else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.so");
    fs::write(&path, &bytes).expect("written");
    let load = |allow: Vec<NativeAllowed>, bytes: &[u8]| {
        let settings = NativeSettings { allow, ..NativeSettings::default() };
        with_spec(&path, bytes, &settings, |spec| BACKEND.load(spec).map(drop))
    };
    let fault = load(Vec::new(), &bytes).expect_err("nothing is allowed");
    assert_eq!(fault.kind, FaultKind::Denied);
    let digest: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(fault.message.contains(&format!("sha256: {digest}")), "{fault}");

    let by_digest = vec![NativeAllowed::Sha256(Sha256::digest(&bytes).into())];
    assert_eq!(load(by_digest.clone(), &bytes), Ok(()));
    let mut changed = bytes.clone();
    changed.push(0);
    let fault = load(by_digest, &changed).expect_err("it was changed");
    assert_eq!(fault.kind, FaultKind::Denied);

    let here = vec![NativeAllowed::Directory(folder.path().into())];
    assert_eq!(load(here, &bytes), Ok(()));
    let elsewhere = vec![NativeAllowed::Directory(folder.path().join("other"))];
    assert!(load(elsewhere, &bytes).is_err());
}

#[test]
fn plugins_that_are_compiled_in_have_names() {
    assert!(builtin("script").is_ok());
    let fault = builtin("unknown").expect_err("there is none");
    assert!(fault.message.contains("there is no `unknown`, only `script`"), "{fault}");
    let fault = builtin("none").expect_err("it has no table");
    assert!(fault.message.contains("does not serve this version"), "{fault}");
}

mod rust {
    //! Libraries in Rust: the examples of this crate, which `cargo test` builds beside its tests.

    use std::path::PathBuf;

    use super::*;

    fn example(name: &str) -> Vec<u8> {
        let mut path: PathBuf = std::env::current_exe().expect("a path");
        path.pop();
        path.pop();
        let path = path.join("examples").join(format!("lib{name}.so"));
        fs::read(&path).unwrap_or_else(|error| {
            panic!("{}: {error}; build it: `cargo build --examples`", path.display())
        })
    }

    #[test]
    fn a_library_in_rust_is_loaded_and_serves() {
        let factory = load(&example("fixture_plugin")).expect("it loads");
        assert!(matches!(ask(&*factory), Step::Ready(Verdict::Reset)));
    }

    #[test]
    fn a_panic_in_a_library_stays_there() {
        let loaded = with_spec(
            Path::new("p.so"),
            &example("fixture_plugin"),
            &allowing(&example("fixture_plugin")),
            |spec| BACKEND.load(spec),
        );
        let worker = Worker::new();
        let factory =
            worker.start_loaded(&*loaded.expect("it loads"), "\"panic\"").expect("starts");
        let Step::Ready(Verdict::Failed(fault)) = ask(&*factory) else { panic!("it panics") };
        assert!(fault.message.contains("fixture_plugin.rs"), "{fault}");
        assert!(fault.message.ends_with("as it was told"), "{fault}");
    }

    #[test]
    fn a_library_with_other_tables_is_refused_with_the_difference() {
        refused(&example("fixture_layout"), "was built with other tables");
    }
}

#[test]
fn the_example_in_c_greets() {
    let source = include_str!("../../../../plugin-examples/greet-c-native/greet.c");
    let Some(bytes) = compile::library(source, &["-Wall", "-Wextra", "-Werror"]) else { return };
    check_greet(&bytes);
}

#[track_caller]
fn check_greet(bytes: &[u8]) {
    let worker = Worker::new();
    let loaded = with_spec(Path::new("p.so"), bytes, &allowing(bytes), |spec| BACKEND.load(spec));
    let loaded = loaded.expect("it loads");
    let config = r#" { "header": "x-greeting", "value": "he said \"hello\"" } "#;
    let factory = worker.start_loaded(&*loaded, config).expect("it starts");
    let stream = stream();
    let mut filter = factory.stream_filter(&stream).expect("a filter");
    assert!(matches!(filter.on_request_headers(&stream, true), Step::Ready(Verdict::Continue)));
    assert!(matches!(filter.on_response_headers(&stream, true), Step::Ready(Verdict::Continue)));
    for side in [Side::Request, Side::Response] {
        assert_eq!(header(&stream, side, "x-greeting").as_deref(), Some("he said \"hello\""));
    }
    for bad in [
        "",
        "{}",
        "[]",
        "{\"header\":\"X\",\"value\":\"\"}",
        "{\"header\":\"x\",\"value\":1}",
        "{\"header\":\"x\",\"value\":\"y\"",
        "{\"header\":\"x\",\"value\":\"y\",\"z\":\"\"}",
    ] {
        let fault = worker.start_loaded(&*loaded, bad).expect_err("it is refused");
        assert!(fault.message.contains("does not start: bad configuration: "), "{bad}: {fault}");
    }
}
