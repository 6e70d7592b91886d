//! Bytes in hand are read and rewritten, within their limit, and nothing else is.

use std::rc::Rc;

use host_extension::{CallError, Connection, Flow};

use super::{read, write};
use crate::testing::connection;

fn with(content: &'static [u8], held_bytes_max: usize) -> Rc<Connection> {
    let connection = connection();
    connection.held_bytes_max.set(held_bytes_max);
    connection.downstream.bytes.borrow_mut().set(content.into());
    connection.downstream.on_duty.set(true);
    connection
}

fn content(connection: &Connection) -> String {
    let mut shown = String::new();
    let show = &mut |bytes: &[u8]| shown.push_str(std::str::from_utf8(bytes).unwrap());
    read(connection, Flow::Downstream, show).unwrap();
    shown
}

#[test]
fn bytes_in_hand_are_replaced_where_the_call_says() {
    for (start, length, expect) in
        [(0, 0, "Xhello"), (1, 3, "hXo"), (5, 0, "helloX"), (0, usize::MAX, "X"), (9, 9, "helloX")]
    {
        let connection = with(b"hello", 6);
        write(&connection, Flow::Downstream, start, length, b"X").unwrap();
        assert_eq!(content(&connection), expect, "{start} {length}");
    }
}

#[test]
fn bytes_grow_up_to_the_limit_and_always_shrink() {
    let connection = with(b"hello", 6);
    assert_eq!(
        write(&connection, Flow::Downstream, 5, 0, b"??"),
        Err(CallError::LimitReached),
        "seven"
    );
    assert_eq!(content(&connection), "hello", "a refusal keeps what was");
    connection.held_bytes_max.set(2);
    write(&connection, Flow::Downstream, 0, 1, b"").unwrap();
    assert_eq!(content(&connection), "ello", "still over the limit");
    assert_eq!(write(&connection, Flow::Downstream, 0, 0, b"h"), Err(CallError::LimitReached));
}

#[test]
fn bytes_of_nobody_are_not_shown() {
    let connection = with(b"hello", 6);
    let seen = read(&connection, Flow::Upstream, &mut |_| panic!("nothing is there"));
    assert_eq!(seen, Err(CallError::WrongPhase));
    assert_eq!(write(&connection, Flow::Upstream, 0, 0, b"x"), Err(CallError::WrongPhase));
    connection.downstream.on_duty.set(false);
    assert_eq!(write(&connection, Flow::Downstream, 0, 0, b"x"), Err(CallError::WrongPhase));
}
