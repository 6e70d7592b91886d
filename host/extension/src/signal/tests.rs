use std::task::{Context, Poll, Waker};

use super::Signal;

#[test]
fn who_waits_is_woken_and_who_comes_later_passes() {
    let signal = Signal::default();
    let mut context = Context::from_waker(Waker::noop());
    let mut waiting = Box::pin(signal.wait());
    assert_eq!(waiting.as_mut().poll(&mut context), Poll::Pending);
    signal.raise();
    assert_eq!(waiting.as_mut().poll(&mut context), Poll::Ready(()));
    assert_eq!(Box::pin(signal.wait()).as_mut().poll(&mut context), Poll::Ready(()));
    signal.reset();
    assert_eq!(Box::pin(signal.wait()).as_mut().poll(&mut context), Poll::Pending);
}
