use super::*;
use crate::all;

fn verdict() -> Verdict {
    let attack = all().into_iter().next().expect("an attack");
    Verdict { contained: true, counted: true, named: true, ..Verdict::of(&attack) }
}

fn report(attacks: Vec<Verdict>) -> Report {
    let figures = Figures { requests: 10, ..Figures::default() };
    Report { attacks, before: figures, during: figures, broken: None }
}

#[test]
fn a_run_is_clean_where_all_were_contained_and_the_neighbour_lost_nothing() {
    assert!(report(vec![verdict()]).is_clean());
    assert!(!report(Vec::new()).is_clean());
    assert!(!report(vec![verdict(), Verdict { contained: false, ..verdict() }]).is_clean());
    let mut broken = report(vec![verdict()]);
    broken.broken = Some("it took too long".to_owned());
    assert!(!broken.is_clean());
    let mut lost = report(vec![verdict()]);
    lost.during.failed = 1;
    assert!(!lost.is_clean());
}

#[test]
fn what_cannot_be_tried_here_is_said_and_does_not_count() {
    let skipped = Verdict {
        contained: false,
        skipped: Some("this machine has no Landlock".to_owned()),
        ..verdict()
    };
    let report = report(vec![verdict(), skipped]);
    assert!(report.is_clean());
    assert!(report.to_text().contains("not tried: this machine has no Landlock"));
    assert_eq!(report.to_json()["attacks"][1]["skipped"], "this machine has no Landlock");
}

#[test]
fn a_program_reads_stable_keys() {
    let json = report(vec![verdict()]).to_json();
    for key in ["name", "backend", "contained", "counted", "named", "outcome", "ms"] {
        assert!(!json["attacks"][0][key].is_null(), "{key}");
    }
    for key in ["requests", "failed", "p99_before_us", "p99_during_us"] {
        assert!(json["neighbour"][key].is_u64(), "{key}");
    }
}

#[test]
fn a_person_reads_what_went_wrong() {
    let wrong = Verdict { contained: false, outcome: "it could fly".to_owned(), ..verdict() };
    let text = report(vec![wrong]).to_text();
    assert!(text.contains("NO") && text.contains("it could fly"), "{text}");
    assert!(text.contains("0 of 1 attacks were contained"), "{text}");
}
