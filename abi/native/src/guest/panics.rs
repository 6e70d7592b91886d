//! Panics of a plugin: caught, and kept with their text and place.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::Once,
};

/// Most bytes of a text that is told.
const TEXT_BYTES_MAX: usize = 1024;

thread_local! {
    /// A callback of a plugin runs on this thread.
    static IS_RUNNING: Cell<bool> = const { Cell::new(false) };
    static LAST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a callback.
///
/// # Errors
/// It panicked: how and where.
pub(super) fn catch<T>(callback: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(install);
    let before = IS_RUNNING.replace(true);
    // What the callback leaves behind is looked at no more, only dropped.
    let outcome = panic::catch_unwind(AssertUnwindSafe(callback));
    IS_RUNNING.set(before);
    outcome.map_err(|payload| {
        let told = LAST.take().unwrap_or_else(|| format!("panicked: {}", text(&*payload)));
        // The drop of a payload may panic itself, which nothing would catch any more.
        if let Err(again) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            let _kept: &mut dyn Any = Box::leak(again);
        }
        told
    })
}

/// The place of a panic is known to a hook only. Panics elsewhere go to the hook before.
fn install() {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if IS_RUNNING.get() {
            LAST.set(Some(describe(info)));
        } else {
            before(info);
        }
    }));
}

fn describe(info: &PanicHookInfo<'_>) -> String {
    let text = text(info.payload());
    info.location().map_or_else(
        || format!("panicked: {text}"),
        |place| format!("panicked at {}:{}: {text}", place.file(), place.line()),
    )
}

fn text(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("(no text)");
    text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or_default()
}
