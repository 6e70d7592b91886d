//! A body in a filter's hand.

use bytes::Bytes;
use host_extension::Message;

/// Bytes that a filter has in hand while its hook runs. Whenever that ends, also because nobody
/// waits for the filter any more, nobody has them.
pub(super) struct OnDuty<'a>(&'a Message);

impl<'a> OnDuty<'a> {
    /// `end` says that the filter is shown the end of the message, too; `bytes_max` is its own
    /// limit, where it has one.
    pub(super) fn new(
        message: &'a Message,
        bytes: Bytes,
        end: bool,
        bytes_max: Option<usize>,
    ) -> Self {
        message.body.borrow_mut().set(bytes);
        message.duty_bytes_max.set(bytes_max);
        message.body_on_duty.set(true);
        message.end_on_duty.set(end);
        Self(message)
    }

    /// What the filter left.
    pub(super) fn take(self) -> Bytes {
        self.0.body.borrow_mut().take()
    }
}

impl Drop for OnDuty<'_> {
    fn drop(&mut self) {
        self.0.body_on_duty.set(false);
        self.0.end_on_duty.set(false);
        drop(self.0.body.borrow_mut().take());
    }
}
