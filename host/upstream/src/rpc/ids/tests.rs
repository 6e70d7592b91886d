use super::*;

fn ids() -> Ids {
    Ids::new(IdWidth::Four, 0)
}

/// Somebody waits under this id.
fn wait(ids: &mut Ids, id: u64) -> oneshot::Receiver<Frame> {
    let (tell, answer) = oneshot::channel();
    ids.wait(id, tell, Ticket::for_test(id));
    answer
}

fn sent(_: Ticket) -> bool {
    false
}

#[test]
fn ids_begin_at_one_and_go_around_without_meeting_one_that_is_taken() {
    let mut ids = Ids::new(IdWidth::Four, u64::from(u32::MAX) - 1);
    assert_eq!(ids.reserve(), u64::from(u32::MAX));
    assert_eq!(ids.reserve(), 1);
    ids.last = 0;
    assert_eq!(ids.reserve(), 2, "1 is taken");
    ids.unreserve(1);
    ids.last = 0;
    assert_eq!(ids.reserve(), 1);
}

#[test]
fn a_response_goes_to_whoever_waits_and_once_only() {
    let mut ids = ids();
    let id = ids.reserve();
    let mut answer = wait(&mut ids, id);
    let Owner::Waiting { answer: tell } = ids.answered(id, sent) else { panic!("nobody waits") };
    tell.send(Frame { id, ..Frame::default() }).unwrap();
    assert_eq!(answer.try_recv().unwrap().id, id);
    assert!(matches!(ids.answered(id, sent), Owner::Unknown));
    assert_eq!(ids.taken(), 0);
}

#[test]
fn nobody_gets_a_response_before_the_request_is_sent() {
    let mut ids = ids();
    let reserved = ids.reserve();
    assert!(matches!(ids.answered(reserved, sent), Owner::Unknown));
    let id = ids.reserve();
    let mut answer = wait(&mut ids, id);
    assert!(matches!(ids.answered(id, |_| true), Owner::Unknown));
    assert!(answer.try_recv().is_err());
    assert!(matches!(ids.answered(id, sent), Owner::Waiting { .. }));
    assert_eq!(ids.taken(), 1, "the reserved one");
}

#[test]
fn an_id_that_was_given_up_stays_taken_until_its_response_comes() {
    let mut ids = ids();
    let id = ids.reserve();
    let _answer = wait(&mut ids, id);
    assert!(ids.give_up(id, Ticket::for_test(id), false));
    assert!(!ids.give_up(id, Ticket::for_test(id), false), "once only");
    assert_eq!(ids.late(), 1);
    assert!(ids.is_busy(id));
    ids.last = id - 1;
    assert_ne!(ids.reserve(), id);
    assert!(matches!(ids.answered(id, sent), Owner::Late));
    assert_eq!(ids.late(), 0);
    assert!(!ids.is_busy(id));
}

#[test]
fn an_id_whose_request_was_never_sent_is_free_at_once() {
    let mut ids = ids();
    let id = ids.reserve();
    let _answer = wait(&mut ids, id);
    assert!(ids.give_up(id, Ticket::for_test(id), true));
    assert_eq!((ids.late(), ids.taken()), (0, 0));
}

#[test]
fn all_who_wait_learn_that_it_is_over() {
    let mut ids = ids();
    let (one, two) = (ids.reserve(), ids.reserve());
    let mut answers = [wait(&mut ids, one), wait(&mut ids, two)];
    drop(ids.take_all());
    for answer in &mut answers {
        assert!(matches!(answer.try_recv(), Err(oneshot::error::TryRecvError::Closed)));
    }
    assert_eq!(ids.taken(), 0);
}

#[test]
fn who_gives_up_late_leaves_the_next_request_with_its_id_alone() {
    let mut ids = ids();
    let _first = wait(&mut ids, 7);
    assert!(matches!(ids.answered(7, sent), Owner::Waiting { .. }));
    let (tell, mut second) = oneshot::channel();
    ids.wait(7, tell, Ticket::for_test(8));
    assert!(!ids.give_up(7, Ticket::for_test(7), false));
    assert_eq!(ids.late(), 0);
    let Owner::Waiting { answer } = ids.answered(7, sent) else { panic!("nobody waits") };
    answer.send(Frame::default()).unwrap();
    assert!(second.try_recv().is_ok());
}
