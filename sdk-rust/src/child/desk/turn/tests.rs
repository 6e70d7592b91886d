use super::*;

#[test]
fn so_many_sections_are_kept_and_those_of_the_stream_at_hand_always() {
    let fields = |section| SectionFields::new(section, Vec::new());
    let mut turn = Turn { context: Some(1), ..Turn::default() };
    turn.keep(1, fields(Section::RequestHeaders));
    turn.keep(1, fields(Section::ResponseHeaders));
    for id in 2..10_000 {
        turn.keep(id, fields(Section::RequestHeaders));
    }
    assert_eq!(turn.seen.len(), SEEN_MAX);
    assert!(turn.section(1, Section::RequestHeaders).is_some());
    assert!(turn.section(1, Section::ResponseHeaders).is_some());
    assert!(turn.section(9999, Section::RequestHeaders).is_some());
    assert!(turn.section(2, Section::RequestHeaders).is_none());
}
