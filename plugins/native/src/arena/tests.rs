#![expect(unsafe_code, reason = "reads what an arena keeps, as a library would")]

use super::{Arena, BYTES_MAX, CHUNK_BYTES};
use abi_native::{
    number::Refusal,
    table::{Bytes, Field},
};

fn read(bytes: &Bytes) -> &[u8] {
    // SAFETY: the arenas of these tests are not cleared before their values are read.
    unsafe { crate::desk::borrowed(bytes) }
}

#[test]
fn values_stay_where_they_are_while_more_of_them_come() {
    let arena = Arena::default();
    let long = vec![7; CHUNK_BYTES + 1];
    let mut kept = vec![arena.keep(b"first").expect("room"), arena.keep(&long).expect("room")];
    for _ in 0..CHUNK_BYTES {
        kept.push(arena.keep(b"and more").expect("room"));
    }
    assert_eq!(read(&kept[0]), b"first");
    assert_eq!(read(&kept[1]), long);
    assert!(kept[2..].iter().all(|bytes| read(bytes) == b"and more"));
}

#[test]
fn fields_stay_too() {
    let arena = Arena::default();
    let (name, value) = (arena.keep(b"name").expect("room"), arena.keep(b"").expect("room"));
    let fields = arena.keep_fields(vec![Field { name, value }]).expect("room");
    assert_eq!(fields.count, 1);
    assert_eq!((read(&name), read(&value)), (b"name".as_slice(), b"".as_slice()));
}

#[test]
fn one_callback_gets_so_many_bytes_and_the_next_as_many_again() {
    let arena = Arena::default();
    let half = vec![0; BYTES_MAX / 2];
    arena.keep(&half).expect("room");
    arena.keep(&half[..half.len() - 1]).expect("room");
    assert_eq!(arena.keep(b"more").map(drop), Err(Refusal::LimitReached));
    arena.clear();
    assert!(arena.keep(&half).is_ok());
    assert_eq!(arena.chunks.borrow().len(), 1);
    arena.clear();
    assert_eq!(arena.chunks.borrow().len(), 0, "only a small chunk is kept");
}

#[test]
fn what_was_taken_is_kept_past_the_limit_once() {
    let arena = Arena::default();
    arena.keep(&vec![0; BYTES_MAX - 1]).expect("room");
    assert!(arena.has_room());
    let taken = arena.keep_taken(b"item").expect("kept");
    assert_eq!(read(&taken), b"item");
    assert!(!arena.has_room());
    assert_eq!(arena.keep(b"more").map(drop), Err(Refusal::LimitReached));
    arena.clear();
    assert!(arena.has_room());
}
