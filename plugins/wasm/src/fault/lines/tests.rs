use proptest::{collection::vec, prelude::any, proptest};
use wasmparser::{Parser, Payload};

use super::{BYTES_MAX, Lines, Place};
use crate::testing::guest;

/// A module with debug information that was written by hand: all of its code is `function` at
/// `line` of `/builds/filter/src/lib.rs`.
pub(in crate::fault) fn with_lines(module: &[u8], function: &str, line: u8) -> Vec<u8> {
    let abbrev = [
        &[1, 0x11, 1, 0x03, 0x08, 0x10, 0x17, 0x11, 0x01, 0x12, 0x06, 0, 0][..],
        &[2, 0x2e, 0, 0x03, 0x08, 0x11, 0x01, 0x12, 0x06, 0, 0],
        &[0],
    ];
    let code_bytes = 0x0001_0000_u32.to_le_bytes();
    let unit = [
        &4_u16.to_le_bytes()[..],
        &[0; 4],
        &[4],
        &[1],
        b"lib.rs\0",
        &[0; 4],
        &[0; 4],
        &code_bytes,
        &[2],
        function.as_bytes(),
        &[0],
        &[0; 4],
        &code_bytes,
        &[0],
    ];
    let files = b"/builds/filter/src\0\0lib.rs\0\x01\0\0\0";
    let header =
        [&[1, 1, 1, 0xFB, 14, 13][..], &[0, 1, 1, 1, 1, 0, 0, 0, 1, 0, 0, 1], files.as_slice()]
            .concat();
    // From address zero on, that line; up to the end.
    let program = [&[0, 5, 2, 0, 0, 0, 0, 3, line - 1, 1, 2][..], &[0x80, 0x80, 4], &[0, 1, 1]];
    let lines = [
        &4_u16.to_le_bytes()[..],
        &u32::try_from(header.len()).expect("short").to_le_bytes(),
        &header,
        &program.concat(),
    ];
    let mut module = module.to_vec();
    custom(&mut module, ".debug_abbrev", &abbrev.concat());
    custom(&mut module, ".debug_info", &counted(&unit.concat()));
    custom(&mut module, ".debug_line", &counted(&lines.concat()));
    module
}

fn counted(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).expect("short").to_le_bytes()[..], bytes].concat()
}

/// Adds a custom section.
fn custom(module: &mut Vec<u8>, name: &str, bytes: &[u8]) {
    let name_len = u8::try_from(name.len()).expect("short");
    let mut size = 1 + name.len() + bytes.len();
    module.push(0);
    loop {
        let low = u8::try_from(size & 0x7F).expect("seven bits");
        size >>= 7;
        module.push(if size > 0 { low | 0x80 } else { low });
        if size == 0 {
            break;
        }
    }
    module.push(name_len);
    module.extend_from_slice(name.as_bytes());
    module.extend_from_slice(bytes);
}

fn code_start(module: &[u8]) -> usize {
    let code = Parser::new(0).parse_all(module).find_map(|payload| match payload {
        Ok(Payload::CodeSectionStart { range, .. }) => Some(range.start),
        _ => None,
    });
    code.expect("it has code")
}

#[test]
fn an_address_comes_to_its_function_and_line() {
    let module = with_lines(&guest("", ""), "my_filter", 42);
    let lines = Lines::read(&module).expect("it has lines");
    let at = code_start(&module);
    let place = Place {
        function: Some("my_filter".to_owned()),
        line: Some(("/builds/filter/src/lib.rs".to_owned(), 42)),
    };
    for _ in 0..2 {
        let places = lines.places(&[at + 3, at - 1, at + 70_000]);
        assert_eq!(places[0].as_ref(), std::slice::from_ref(&place));
        assert!(places[1].is_empty() && places[2].is_empty());
    }
    assert_eq!(lines.known.lock().len(), 3, "each address is looked up once");
}

#[test]
fn while_another_worker_reads_only_what_is_known_is_told() {
    let module = with_lines(&guest("", ""), "my_filter", 42);
    let lines = Lines::read(&module).expect("it has lines");
    let at = code_start(&module);
    lines.places(&[at + 3]);
    let turn = lines.turn.lock();
    let places = lines.places(&[at + 3, at + 4]);
    assert!(!places[0].is_empty() && places[1].is_empty());
    drop(turn);
    assert!(!lines.places(&[at + 4])[0].is_empty(), "it is read when it is asked for again");
}

#[test]
fn only_so_many_addresses_are_looked_up() {
    let module = with_lines(&guest("", ""), "my_filter", 42);
    let lines = Lines::read(&module).expect("it has lines");
    let at = code_start(&module);
    let all: Vec<_> = (at..at + 1000).collect();
    let places = lines.places(&all);
    assert_eq!(places.iter().filter(|places| !places.is_empty()).count(), super::KNOWN_MAX);
}

#[test]
fn a_module_without_debug_information_or_with_too_much_has_no_lines() {
    assert!(Lines::read(&guest("", "")).is_none());
    assert!(Lines::read(b"").is_none());
    let mut module = with_lines(&guest("", ""), "my_filter", 42);
    custom(&mut module, ".debug_str", &vec![0; BYTES_MAX]);
    assert!(Lines::read(&module).is_none());
}

proptest! {
    #[test]
    fn altered_debug_information_does_no_harm(
        flips in vec((any::<proptest::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let plain = guest("", "").len();
        let mut module = with_lines(&guest("", ""), "my_filter", 42);
        for (index, byte) in flips {
            let at = plain + index.index(module.len() - plain);
            module[at] = byte;
        }
        crate::fuzz::lines(&module);
    }
}
