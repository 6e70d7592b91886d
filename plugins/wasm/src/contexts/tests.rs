use std::rc::Rc;

use host_extension::{InstanceSpec, Signal};

use super::{Context, Contexts, FIRST, Of, Pause, Way};
use crate::{
    roots::Root,
    testing::{Rig, guest, stream},
};

/// Contexts with one root, which is there.
fn contexts(open_max: usize) -> (Contexts, Rc<Root>) {
    let mut contexts = Contexts::new(open_max);
    let scope = Rig::new(&guest("", "")).scope();
    let root = Root::new(contexts.number(), &"guest".into(), &scope, &InstanceSpec::default());
    contexts.insert_root(&root);
    assert_eq!(root.id, FIRST);
    (contexts, root)
}

fn of_stream() -> Of {
    Of::Stream(stream())
}

#[test]
fn numbers_go_up_and_a_freed_one_does_not_come_again_soon() {
    let (mut contexts, root) = contexts(3);
    let ids = [(); 3].map(|()| contexts.insert(&root, of_stream()).expect("room"));
    assert_eq!(ids, [2, 3, 4]);
    assert!(contexts.insert(&root, of_stream()).is_err());
    contexts.remove(3);
    contexts.remove(3);
    assert_eq!(contexts.insert(&root, of_stream()).expect("room"), 5);
    assert!(contexts.insert(&root, of_stream()).is_err());
    assert!(contexts.get(3).is_none());
}

#[test]
fn roots_have_numbers_of_the_same_kind_and_take_no_place_of_a_stream() {
    let (mut contexts, first) = contexts(1);
    assert_eq!(contexts.insert(&first, of_stream()).expect("room"), 2);
    assert_eq!(contexts.number(), 3);
    assert!(contexts.insert(&first, of_stream()).is_err());
    assert_eq!(contexts.roots().len(), 1);
    contexts.remove(first.id);
    assert!(contexts.roots().is_empty());
    assert!(contexts.insert(&first, of_stream()).is_err(), "the stream is still there");
}

#[test]
fn numbers_wrap_around_those_that_are_taken() {
    let (mut contexts, root) = contexts(4);
    assert_eq!(contexts.insert(&root, of_stream()).expect("room"), FIRST + 1);
    contexts.next = u32::MAX;
    assert_eq!(contexts.insert(&root, of_stream()).expect("room"), u32::MAX);
    assert_eq!(contexts.insert(&root, of_stream()).expect("room"), FIRST + 2);
}

fn until(context: &mut Context, way: Way) -> Rc<Signal> {
    match context.pause(way) {
        Pause::Until(signal) => signal,
        other @ (Pause::Over | Pause::Vain) => panic!("{other:?}"),
    }
}

#[test]
fn who_was_not_let_end_a_message_waits_in_vain_until_it_says_to_go_on() {
    let (mut contexts, root) = contexts(1);
    let id = contexts.insert(&root, of_stream()).expect("room");
    let context = contexts.get_mut(id).expect("it is there");
    context.refuse(Some(Way::In));
    assert!(matches!(context.pause(Way::In), Pause::Vain));
    let outwards = until(context, Way::Out);
    assert!(!context.is_vain(Way::Out));
    // From beside, those are meant that wait.
    context.refuse(None);
    assert!(outwards.is_raised() && context.is_vain(Way::Out));
    context.resume(Way::Out);
    assert!(!context.is_vain(Way::Out));
    context.begin(Way::In);
    assert!(!context.is_vain(Way::In), "the next callback begins anew");
    context.refuse(None);
    assert!(!context.is_vain(Way::In), "nobody waits there");
}

#[test]
fn a_resume_counts_for_one_callback_and_one_direction() {
    let (mut contexts, root) = contexts(1);
    let id = contexts.insert(&root, of_stream()).expect("room");
    let context = contexts.get_mut(id).expect("it is there");
    context.resume(Way::In);
    assert!(matches!(context.pause(Way::In), Pause::Over));
    let outwards = until(context, Way::Out);
    context.begin(Way::In);
    let inwards = until(context, Way::In);
    context.resume(Way::In);
    assert!(inwards.is_raised() && !outwards.is_raised());
    assert_eq!(contexts.waiting().len(), 1);
}
