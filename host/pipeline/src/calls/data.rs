//! The bytes of a connection that a network filter has in hand.

use host_extension::{CallError, CallResult, Connection, Flow};

/// Shows the bytes on duty.
pub(super) fn read(
    connection: &Connection,
    flow: Flow,
    show: &mut dyn FnMut(&[u8]),
) -> CallResult<()> {
    let state = connection.flow(flow);
    if !state.on_duty.get() {
        return Err(CallError::WrongPhase);
    }
    show(state.bytes.borrow().as_slice());
    Ok(())
}

/// Replaces `length` bytes from `start`, both cut to what is there. The bytes may grow up to
/// what the connection's filters may hold; they may always shrink.
pub(super) fn write(
    connection: &Connection,
    flow: Flow,
    start: usize,
    length: usize,
    with: &[u8],
) -> CallResult<()> {
    let state = connection.flow(flow);
    if !state.on_duty.get() {
        return Err(CallError::WrongPhase);
    }
    let mut bytes = state.bytes.borrow_mut();
    let replaced = length.min(bytes.len().saturating_sub(start));
    let after = (bytes.len() - replaced).saturating_add(with.len());
    let own_max = state.duty_bytes_max.get().unwrap_or(usize::MAX);
    if after > connection.held_bytes_max.get().min(own_max).max(bytes.len()) {
        return Err(CallError::LimitReached);
    }
    bytes.splice(start, length, with);
    Ok(())
}

#[cfg(test)]
mod tests;
