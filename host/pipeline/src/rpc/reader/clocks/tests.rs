use tokio::time::{advance, pause};

use super::*;
use crate::testing::local;

const FREE: State = State { is_free: true, is_read: true, is_ended: false, frame_bytes: 0 };
const BUSY: State = State { is_free: false, ..FREE };

fn limits() -> Limits {
    Limits {
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_secs(60),
        stall_timeout: Duration::from_secs(30),
        ..Limits::default()
    }
}

/// What is due next, and in how many milliseconds.
fn next(clocks: &Clocks, state: State) -> Option<(u128, Due)> {
    let (at, due) = clocks.next(state, &limits())?;
    Some(((at - Instant::now()).as_millis(), due))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_connection_is_idle_only_while_nothing_is_under_way() {
    local(async {
        pause();
        let mut clocks = Clocks::new();
        assert_eq!(next(&clocks, FREE), Some((60_000, Due::Idle)));
        assert_eq!(next(&clocks, BUSY), None);
        assert_eq!(next(&clocks, State { is_ended: true, ..FREE }), None);
        advance(seconds(5)).await;
        assert_eq!(next(&clocks, FREE), Some((55_000, Due::Idle)));
        clocks.frame(false);
        assert_eq!(next(&clocks, FREE), Some((60_000, Due::Idle)));
    });
}

#[test]
fn a_frame_has_time_by_its_length_and_must_make_progress() {
    local(async {
        pause();
        let mut clocks = Clocks::new();
        let of = |bytes| State { frame_bytes: bytes, ..FREE };
        clocks.read(false, true);
        assert_eq!(next(&clocks, of(20)), Some((10_000, Due::FrameLate)));
        assert_eq!(next(&clocks, of(640 * 1024)), Some((20_000, Due::FrameLate)));
        assert_eq!(next(&clocks, of(64 * 1024 * 1024)), Some((30_000, Due::FrameLate)));
        advance(seconds(4)).await;
        clocks.read(false, true);
        assert_eq!(next(&clocks, of(20)), Some((6_000, Due::FrameLate)), "as long as before");
        assert_eq!(next(&clocks, of(64 * 1024 * 1024)), Some((30_000, Due::FrameLate)));
        clocks.read(true, true);
        assert_eq!(next(&clocks, of(20)), Some((10_000, Due::FrameLate)), "another frame");
        clocks.read(true, false);
        assert_eq!(next(&clocks, of(0)).unwrap().1, Due::Idle);
    });
}

#[test]
fn the_clock_of_a_frame_stands_while_nobody_reads() {
    local(async {
        pause();
        let mut clocks = Clocks::new();
        clocks.read(false, true);
        advance(seconds(3)).await;
        clocks.pause(false);
        assert_eq!(next(&clocks, State { is_read: false, ..BUSY }), None);
        advance(seconds(100)).await;
        clocks.pause(false);
        clocks.pause(true);
        assert_eq!(next(&clocks, BUSY), Some((7_000, Due::FrameLate)));
    });
}

#[test]
fn who_is_to_go_is_closed_when_it_is_quiet() {
    local(async {
        pause();
        let mut told = Clocks::new();
        told.drain(true, None);
        assert_eq!(next(&told, FREE), Some((1000, Due::Quiet)));
        assert_eq!(next(&told, BUSY), None);
        advance(Duration::from_millis(900)).await;
        told.frame(false);
        assert_eq!(next(&told, FREE), Some((100, Due::Quiet)), "a heartbeat is no request");
        told.frame(true);
        assert_eq!(next(&told, FREE), Some((1000, Due::Quiet)));
        told.read(false, true);
        assert_eq!(next(&told, FREE), Some((10_000, Due::FrameLate)), "a request may have begun");

        let mut untold = Clocks::new();
        untold.drain(false, None);
        assert_eq!(next(&untold, FREE), Some((50, Due::Quiet)));
        assert_eq!(next(&untold, BUSY), Some((5000, Due::LastFrame)));
        untold.last_frame();
        assert!(untold.is_draining() && untold.is_last_frame());
        assert_eq!(next(&untold, BUSY), None);
    });
}

#[test]
fn who_never_is_quiet_is_read_for_half_of_the_drain_at_most() {
    local(async {
        pause();
        let mut clocks = Clocks::new();
        for (is_told, within, due) in
            [(true, 8, 4000), (true, 60, 30_000), (false, 8, 4000), (false, 60, 5000)]
        {
            clocks.drain(is_told, Some(seconds(within)));
            assert_eq!(next(&clocks, BUSY), Some((due, Due::LastFrame)), "{is_told} {within}");
        }
    });
}
