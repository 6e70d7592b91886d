use super::*;

#[track_caller]
fn check(text: &str, at: usize, line: usize, column: usize) {
    assert_eq!(LineStarts::new(text).place(at), Place { line, column });
}

#[test]
fn places_are_counted_from_one_in_characters() {
    check("", 0, 1, 1);
    check("ab\ncd", 1, 1, 2);
    check("ab\ncd", 2, 1, 3);
    check("ab\ncd", 3, 2, 1);
    check("ä\nöb", 5, 2, 2);
    check("ab\n", 3, 2, 1);
    check("ab", 2, 1, 3);
}

#[test]
fn a_place_behind_another_is_the_same_place() {
    let text = "ä\nöbü\n\nc";
    let lines = LineStarts::new(text);
    let starts: Vec<usize> = (0..=text.len()).filter(|at| text.is_char_boundary(*at)).collect();
    for (place, known) in starts.iter().enumerate() {
        for at in &starts[place..] {
            let behind = lines.place_behind((*known, lines.place(*known)), *at);
            assert_eq!(behind, lines.place(*at), "{known} {at}");
        }
    }
}

#[test]
fn only_the_first_line_of_a_place_is_marked() {
    let lines = LineStarts::new("a: |  \n  b\n");
    assert_eq!(lines.first_line(&(3..10)), (3, 1));
    assert_eq!(lines.first_line(&(0..1)), (0, 1));
    assert_eq!(lines.first_line(&(11..11)), (11, 0));
}

#[test]
fn a_long_line_is_not_drawn() {
    let text = format!("a\n{}\nb\nc\n", "x".repeat(5000));
    let lines = LineStarts::new(&text);
    assert!(!lines.can_be_shown(3));
    assert!(!lines.can_be_shown(0));
    assert!(lines.can_be_shown(text.len() - 2));
}
