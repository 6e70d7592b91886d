use std::io::ErrorKind;

use super::*;

fn params() -> BootstrapParams {
    BootstrapParams {
        version: VERSION,
        listener_fd: LISTENER_FD,
        network: "tcp".to_owned(),
        address: "127.0.0.1:9".to_owned(),
        token: "secret".to_owned(),
        plugin: "greet".to_owned(),
    }
}

fn framed(length: u32, message: &[u8]) -> Vec<u8> {
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend_from_slice(message);
    bytes
}

#[test]
fn what_was_written_is_read_and_the_rest_stays() {
    let mut pipe = Vec::new();
    write_params(&mut pipe, &params()).unwrap();
    pipe.extend_from_slice(b"rest");
    let mut from = pipe.as_slice();
    assert_eq!(read_params(&mut from).unwrap(), params());
    assert_eq!(from, b"rest");
}

#[test]
fn a_length_that_lies_is_refused_before_room_is_made_for_it() {
    let refused = read_params(&mut framed(u32::MAX, b"abc").as_slice());
    assert!(matches!(refused, Err(BootstrapError::Length(4_294_967_295))), "{refused:?}");
    let too_short = read_params(&mut framed(9, b"abc").as_slice());
    let Err(BootstrapError::Io(error)) = too_short else { panic!("{too_short:?}") };
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn an_input_that_ends_at_once_has_no_parameters() {
    for length in 0..4 {
        let refused = read_params(&mut vec![0; length].as_slice());
        assert!(matches!(refused, Err(BootstrapError::Io(_))), "{length}: {refused:?}");
    }
}

#[test]
fn bytes_that_are_no_message_are_refused() {
    let refused = read_params(&mut framed(3, &[0xff, 0xff, 0xff]).as_slice());
    assert!(matches!(refused, Err(BootstrapError::Malformed(_))), "{refused:?}");
}

#[test]
fn another_version_is_refused_also_where_none_is_said() {
    for version in [0, 2, u32::MAX] {
        let mut pipe = Vec::new();
        write_params(&mut pipe, &BootstrapParams { version, ..params() }).unwrap();
        let refused = read_params(&mut pipe.as_slice());
        assert!(
            matches!(refused, Err(BootstrapError::Version(found)) if found == version),
            "{refused:?}"
        );
    }
}

#[test]
fn parameters_that_nobody_would_read_are_not_written() {
    let mut pipe = Vec::new();
    let long = BootstrapParams { address: "a".repeat(PARAMS_BYTES_MAX), ..params() };
    let refused = write_params(&mut pipe, &long);
    assert!(matches!(refused, Err(BootstrapError::Length(_))), "{refused:?}");
    assert!(pipe.is_empty());
}
