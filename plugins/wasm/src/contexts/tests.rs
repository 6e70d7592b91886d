use host_extension::Side;

use super::{Contexts, ROOT};
use crate::testing::stream;

#[test]
fn numbers_go_up_and_a_freed_one_does_not_come_again_soon() {
    let mut contexts = Contexts::new(3);
    let stream = stream();
    let ids = [(); 3].map(|()| contexts.insert(&stream).expect("room"));
    assert_eq!(ids, [2, 3, 4]);
    assert!(contexts.insert(&stream).is_err());
    contexts.remove(3);
    assert_eq!(contexts.insert(&stream).expect("room"), 5);
    assert!(contexts.get(3).is_none());
}

#[test]
fn numbers_wrap_around_those_that_are_taken() {
    let mut contexts = Contexts::new(4);
    let stream = stream();
    assert_eq!(contexts.insert(&stream).expect("room"), ROOT + 1);
    contexts.next = u32::MAX;
    assert_eq!(contexts.insert(&stream).expect("room"), u32::MAX);
    assert_eq!(contexts.insert(&stream).expect("room"), ROOT + 2);
}

#[test]
fn a_resume_counts_for_one_callback_and_one_side() {
    let mut contexts = Contexts::new(1);
    let id = contexts.insert(&stream()).expect("room");
    let context = contexts.get_mut(id).expect("it is there");
    context.resume(Side::Request);
    assert!(context.pause(Side::Request).is_none());
    let response = context.pause(Side::Response).expect("it waits");
    context.begin(Side::Request);
    let request = context.pause(Side::Request).expect("it waits");
    context.resume(Side::Request);
    assert!(request.is_raised() && !response.is_raised());
    assert_eq!(contexts.waiting().len(), 1);
}
