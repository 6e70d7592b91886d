use super::{CallIds, CallKind};

#[test]
fn numbers_say_their_kind_and_begin_with_four() {
    let mut ids = CallIds::default();
    let mut next = |kind| ids.next(kind, |_id| false);
    assert_eq!([next(CallKind::Http), next(CallKind::Http)], [4, 8]);
    assert_eq!([next(CallKind::GrpcCall), next(CallKind::GrpcCall)], [5, 9]);
    assert_eq!([next(CallKind::GrpcStream), next(CallKind::GrpcStream)], [6, 10]);
    for id in [4, 5, 6, 7, u32::MAX] {
        let kind = CallKind::of(id);
        assert_eq!(kind.is_none(), id % 4 == 3, "{id}");
    }
    assert_eq!(CallKind::of(9), Some(CallKind::GrpcCall));
}

#[test]
fn after_all_numbers_were_given_the_free_ones_come_again() {
    let mut ids = CallIds { http: u32::MAX - 7, ..CallIds::default() };
    assert_eq!(ids.next(CallKind::Http, |_id| false), u32::MAX - 3);
    let taken = |id| id == 4;
    assert_eq!(ids.next(CallKind::Http, taken), 8, "zero is no number, and four is taken");
}
