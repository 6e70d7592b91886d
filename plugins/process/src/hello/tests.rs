use abi_process::v1::Pong;

use super::*;
use crate::child::ChildAddress;

fn reach() -> Reach {
    Reach { generation: 3, address: ChildAddress::Unix("/x".into()), token: None, tls: None }
}

#[test]
fn a_hello_says_which_start_is_meant() {
    let hello = hello(&reach(), 7, "greet", Limits::default());
    assert_eq!((hello.versions.as_slice(), hello.generation), (&[1][..], 3));
    assert_eq!((hello.worker, hello.plugin.as_str()), (7, "greet"));
}

#[test]
fn only_an_answer_of_this_version_and_start_is_one() {
    let back = |version, generation| {
        let back = HelloBack { version, generation, ..HelloBack::default() };
        answer(Some(reply::Kind::Hello(back)), &reach())
    };
    assert!(back(1, 3).is_ok());
    assert!(matches!(back(2, 3), Err(BadAnswer::Version(2))));
    assert!(matches!(back(1, 2), Err(BadAnswer::Generation(2))));
    let other = Some(reply::Kind::Pong(Pong::default()));
    assert!(matches!(answer(other, &reach()), Err(BadAnswer::NoHello)));
    assert!(matches!(answer(None, &reach()), Err(BadAnswer::NoHello)));
}
