use super::*;

/// The head of an ELF file.
fn head(order: u8, kind: u16, machine: u16) -> Vec<u8> {
    let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, order, 1];
    bytes.resize(16, 0);
    for number in [kind, machine] {
        bytes.extend(if order == 2 { number.to_be_bytes() } else { number.to_le_bytes() });
    }
    bytes
}

#[track_caller]
fn check(bytes: &[u8], expect: Option<&str>) {
    assert_eq!(unsuited(bytes).as_deref(), expect);
}

#[test]
fn this_very_program_and_scripts_suit() {
    let program = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    check(&program, None);
    check(b"#!/bin/sh\n", None);
}

#[test]
fn what_cannot_run_here_is_named() {
    check(b"", Some("the file is empty"));
    check(b"\0asm\x01\0\0\0", Some("the file is a Wasm module: say `backend: wasm`"));
    check(b"MZ\x90\0", Some("the file is a program for Windows"));
    check(&[0xcf, 0xfa, 0xed, 0xfe, 7], Some("the file is a program for macOS"));
    let neither = "the file is neither an ELF program nor a script that begins with #!";
    check(b"import os\n", Some(neither));
    check(&head(1, 3, 62)[..12], Some("the file is the start of an ELF file and nothing more"));
}

#[test]
fn another_machine_is_told_in_both_byte_orders() {
    let other = if ARCH == "s390x" { ("mips", 8) } else { ("s390x", 22) };
    for order in [1, 2] {
        let expect = format!("the file is an ELF file for {}, and this is {ARCH}", other.0);
        check(&head(order, 2, other.1), Some(&expect));
    }
    let expect = format!("the file is an ELF file for machine number 9999, and this is {ARCH}");
    check(&head(1, 2, 9999), Some(&expect));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn an_object_file_is_no_program() {
    check(&head(1, 1, 62), Some("the file is an ELF file, but no program"));
    check(&head(1, 2, 62), None);
}
