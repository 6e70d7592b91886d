use std::{cell::Cell, rc::Rc};

use tokio::task::{LocalSet, spawn_local};

use super::*;

#[tokio::test(start_paused = true)]
async fn a_flood_is_read_so_many_bytes_at_a_time() {
    let begun = Instant::now();
    let mut pace = Pace::new();
    for _read in 0..5 * PACE_BYTES / 16_384 {
        pace.after(16_384).await;
    }
    let took = begun.elapsed();
    assert!((5 * PACE..6 * PACE).contains(&took), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_child_that_writes_little_never_waits() {
    let mut pace = Pace::new();
    for _read in 0..100 {
        tokio::time::advance(PACE / 10).await;
        let before = Instant::now();
        pace.after(PACE_BYTES / 16).await;
        assert_eq!(before.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn tiny_reads_cost_something_too() {
    let begun = Instant::now();
    let mut pace = Pace::new();
    for _read in 0..PACE_BYTES / READ_BYTES_MIN {
        pace.after(1).await;
    }
    assert!(begun.elapsed() >= PACE);
}

async fn count(turns: Rc<Cell<u32>>) {
    loop {
        turns.set(turns.get() + 1);
        yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn others_have_their_turn_within_a_flood() {
    LocalSet::new()
        .run_until(async {
            let turns = Rc::new(Cell::new(0));
            let other = spawn_local(count(Rc::clone(&turns)));
            let mut pace = Pace::new();
            for _read in 0..4 {
                pace.after(TURN_BYTES).await;
            }
            other.abort();
            assert!(turns.get() >= 4, "{}", turns.get());
        })
        .await;
}
