//! Waiting with a deadline, and failing with words.

use std::{future::Future, time::Duration};

/// Longest wait for anything. Generous, since the tests share few cores; nothing that works
/// comes near it.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// How often [`until`] looks.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Ends the test with a message.
#[expect(clippy::panic, reason = "a helper of tests fails its test")]
#[track_caller]
pub fn fail(message: impl std::fmt::Display) -> ! {
    panic!("{message}")
}

/// Awaits `future`; the test fails where that takes longer than [`DEADLINE`].
pub async fn within<F: Future>(what: &str, future: F) -> F::Output {
    // Boxed, since what the tests await may be large.
    match tokio::time::timeout(DEADLINE, Box::pin(future)).await {
        Ok(output) => output,
        Err(_elapsed) => fail(format_args!("{what}: nothing within {DEADLINE:?}")),
    }
}

/// Looks again and again until `probe` yields something: for what announces itself nowhere,
/// such as a line in a file. The test fails past [`DEADLINE`].
pub async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let look = async {
        let mut timer = tokio::time::interval(LOOK_EVERY);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            timer.tick().await;
            if let Some(found) = probe().await {
                return found;
            }
        }
    };
    within(what, look).await
}
