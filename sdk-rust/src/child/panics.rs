//! Panics of plugins: caught around each callback, told with their place.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::Once,
};

thread_local! {
    /// True while a plugin runs on this thread.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
    /// What the panic said that is on its way.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// The longest text of a panic that is told.
const TEXT_BYTES_MAX: usize = 4096;

/// Has panics within [`guard`] noted instead of printed; all others stay as they are.
pub(super) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(
            move |info| {
                if GUARDED.get() { note(info) } else { before(info) }
            },
        ));
    });
}

/// Runs a piece of a plugin. A panic becomes its text.
pub(super) fn guard<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    let outer = GUARDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    GUARDED.set(outer);
    result.map_err(|payload| {
        let said = SAID.take().unwrap_or_else(|| text(payload.as_ref()).to_owned());
        // Whatever was thrown may throw again as it is dropped.
        drop(panic::catch_unwind(AssertUnwindSafe(move || drop(payload))));
        shorten(said)
    })
}

/// Drops a piece of a plugin. What panics there harms nobody any more; it becomes its text.
pub(super) fn drop_guarded(piece: impl Sized) -> Result<(), String> {
    guard(move || drop(piece))
}

fn note(info: &PanicHookInfo<'_>) {
    let text = text(info.payload());
    let said = match info.location() {
        Some(place) => format!("panicked at {}:{}: {text}", place.file(), place.line()),
        None => format!("panicked: {text}"),
    };
    SAID.set(Some(said));
}

fn text(payload: &(dyn Any + Send)) -> &str {
    let owned = payload.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("panicked")
}

fn shorten(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests;
