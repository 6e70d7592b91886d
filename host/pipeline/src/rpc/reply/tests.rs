use super::*;

#[test]
fn a_long_word_is_cut_at_a_character() {
    let short = "é".as_bytes();
    assert_eq!(beginning(short), "é");
    assert_eq!(beginning(&[]), "");
    for (word, shown) in [("x", 255), ("é", 127), ("€", 85), ("\u{1f600}", 63)] {
        let text = format!("x{}", word.repeat(300));
        assert_eq!(beginning(text.as_bytes()), format!("x{}", word.repeat(shown)));
    }
}

#[test]
fn what_is_no_text_says_nothing() {
    assert_eq!(beginning(b"a\xff"), "");
    assert_eq!(beginning(b"a\xc3"), "", "it ends within a character");
    let long = [&b"a\xff"[..], &[b'x'; 300]].concat();
    assert_eq!(beginning(&long), "");
}
