use super::*;

fn asked(on_pause: OnPause) -> Way {
    let way = Way::default();
    way.begin(7, on_pause);
    way
}

#[test]
fn only_the_exchange_under_way_is_answered() {
    let way = asked(OnPause::Wait);
    assert!(way.awaits(7) && !way.awaits(6));
    assert!(!way.rule(Ruling::Now(Verdict::Continue)));
    assert!(!way.awaits(7), "it is answered");
    way.rule(Ruling::Now(Verdict::Reset));
    assert!(matches!(way.stage.take(), Stage::Answered(Verdict::Continue)), "the first one stands");
}

#[test]
fn a_pause_keeps_bytes_only_where_more_can_come() {
    assert!(asked(OnPause::Hold).rule(Ruling::Pause));
    assert!(!asked(OnPause::Wait).rule(Ruling::Pause));
    let resumed = asked(OnPause::Hold);
    resumed.resume();
    assert!(!resumed.rule(Ruling::Pause), "it was resumed before");
}

#[test]
fn bytes_that_diverged_are_not_kept() {
    let way = asked(OnPause::Hold);
    way.note_change(true);
    way.note_change(false);
    way.keep(9);
    assert_eq!(way.kept.get(), 0);
    way.keep(9);
    assert_eq!(way.kept.get(), 9, "what is shown again is known again");
}

#[test]
fn a_resume_lets_go_of_what_was_kept() {
    let way = asked(OnPause::Hold);
    assert!(way.rule(Ruling::Pause));
    way.keep(9);
    way.resume();
    assert_eq!(way.kept.get(), 0, "the next bytes do not lie behind these");
}

#[test]
fn what_nobody_waits_for_is_forgotten() {
    let way = asked(OnPause::Wait);
    way.forget(6);
    assert!(way.awaits(7));
    way.forget(7);
    assert!(!way.awaits(7));
}
