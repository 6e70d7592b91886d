use abi_native::number::Kind;

use super::inspect;
use crate::testing::compile;

#[track_caller]
fn refused(bytes: &[u8], why: &str) {
    let told = inspect(bytes).expect_err("it is refused").to_string();
    assert!(told.contains(why), "{told}");
}

/// The plain library with some bytes changed.
fn changed(bytes: &[u8], at: usize, with: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at..at + with.len()].copy_from_slice(with);
    bytes
}

#[test]
fn a_library_of_ours_is_known_by_its_mark() {
    let Some(bytes) = compile::plain(&[]) else { return };
    assert_eq!(inspect(&bytes).expect("it is one").kind, Kind::C);
}

#[test]
fn what_is_no_library_for_this_machine_is_refused() {
    refused(b"", "it is no ELF file");
    refused(b"\0asm\x01\0\0\0", "it is no ELF file");
    refused(b"#!/bin/sh\n", "it is no ELF file");
    let Some(bytes) = compile::plain(&[]) else { return };
    refused(&changed(&bytes, 4, &[1]), "it is for machines of 32 bits");
    refused(&changed(&bytes, 5, &[2]), "it is for big-endian machines");
    let other = if cfg!(target_arch = "x86_64") { 183_u16 } else { 62 };
    refused(&changed(&bytes, 18, &other.to_le_bytes()), "it is for another machine (");
    refused(&changed(&bytes, 18, &7777_u16.to_le_bytes()), "(number 7777)");
    refused(&changed(&bytes, 16, &[1]), "it is an object file that is not linked");
    refused(&changed(&bytes, 16, &[2]), "it is a program, no shared library");
}

#[test]
fn a_library_that_is_cut_off_or_damaged_is_refused_at_each_byte() {
    let Some(bytes) = compile::plain(&[]) else { return };
    let whole = bytes.len();
    for length in (0..whole).step_by(97) {
        // What is cut off behind the symbols may not matter; nothing may panic.
        drop(inspect(&bytes[..length]));
    }
    refused(&bytes[..80], "its ELF file is damaged");
    for at in (0..whole.min(8192)).step_by(3) {
        drop(inspect(&changed(&bytes, at, &[0xFF])));
    }
}

#[test]
fn programs_are_refused() {
    let program = "int main(void) { return 0; }";
    let Some(bytes) = compile::compile(program, &["-pie", "-fPIE"]) else { return };
    refused(&bytes, "it is a program, no shared library");
    if let Some(bytes) = compile::compile(program, &["-no-pie"]) {
        refused(&bytes, "it is a program, no shared library");
    }
}

#[test]
fn libraries_that_want_too_much_are_refused() {
    let words = ["-DANSWER=0", "-DSIZE=0", "-DMAJOR=1", "-DNEW=0", "-DFREE=0", "-DTABLE=0"];
    let with = |more: &[&str]| {
        let all: Vec<_> = words.iter().chain(more).copied().collect();
        compile::library(compile::PLAIN, &all)
    };
    let Some(bytes) = with(&["-Wl,-z,execstack"]) else { return };
    refused(&bytes, "it wants a stack that code can run on");
    if let Some(bytes) = with(&["-Wl,--no-as-needed", "-Wl,-soname,x", "-lutil"]) {
        // Old C libraries have this one apart; whether it is linked depends on the machine.
        drop(inspect(&bytes));
    }
}

#[test]
fn other_libraries_that_not_every_machine_has_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(odd) = compile::library("int odd(void) { return 1; }", &["-Wl,-soname,libodd.so.7"])
    else {
        return;
    };
    std::fs::write(folder.path().join("libodd.so"), odd).expect("written");
    let source = "int odd(void); int call(void) { return odd(); }";
    let search = format!("-L{}", folder.path().display());
    let Some(bytes) = compile::library(source, &[search.as_str(), "-lodd"]) else { return };
    refused(&bytes, "it needs `libodd.so.7`, which is no library that every machine has");
}

#[test]
fn libraries_of_others_are_refused() {
    let Some(bytes) = compile::library("int f(void) { return 0; }", &[]) else { return };
    refused(&bytes, "it exports no `mortise_plugin_abi`");
    let mark = "#include \"mortise.h\"\nMORTISE_PLUGIN_ABI;";
    let Some(bytes) = compile::library(mark, &[]) else { return };
    refused(&bytes, "it exports no `mortise_plugin_entry`");
    let hidden = ["-fvisibility=hidden", "-DMORTISE_EXPORT="];
    if let Some(bytes) = compile::library(mark, &hidden) {
        refused(&bytes, "or its symbols are hidden");
    }
}

#[test]
fn marks_of_other_versions_are_refused_with_advice() {
    let source = |version: &str, kind: &str, magic: &str| {
        format!(
            "#include \"mortise.h\"\nconst mortise_abi mortise_plugin_abi = {{ {magic}, {version}, \
             {kind} }};\nconst mortise_plugin *mortise_plugin_entry(const mortise_host *host) \
             {{ (void)host; return 0; }}"
        )
    };
    let ours = "{'M','O','R','T','I','S','E',0}";
    let cases = [
        (source("2, 3", "1", ours), "for version 2.3 of the interface"),
        (source("2, 3", "1", ours), "take a newer proxy"),
        (source("0, 9", "1", ours), "build the plugin anew"),
        (source("1, 0", "9", ours), "of a kind that this proxy does not know"),
        (source("1, 0", "1", "{'m'}"), "is no mark of ours"),
    ];
    for (source, why) in cases {
        let Some(bytes) = compile::library(&source, &[]) else { return };
        refused(&bytes, why);
    }
    // One that has grown since is served as far as we know it.
    let Some(bytes) = compile::library(&source("1, 77", "1", ours), &[]) else { return };
    assert!(inspect(&bytes).is_ok());
}
