use super::*;

#[test]
fn a_panic_becomes_its_text_with_its_place() {
    install();
    let number = 7;
    let said = guard::<()>(|| panic!("no luck with {number}")).unwrap_err();
    assert!(said.starts_with("panicked at "), "{said}");
    assert!(said.contains("tests.rs:"), "{said}");
    assert!(said.ends_with(": no luck with 7"), "{said}");
    assert_eq!(guard(|| 1), Ok(1));
}

#[test]
fn what_throws_something_else_is_caught_as_well() {
    install();
    let said = guard::<()>(|| panic::panic_any(7_u8)).unwrap_err();
    assert!(said.ends_with(": panicked"), "{said}");
}

#[test]
fn what_panics_as_it_is_dropped_harms_nobody() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("bang");
        }
    }
    install();
    assert!(drop_guarded(Bomb).unwrap_err().ends_with(": bang"));
    assert_eq!(drop_guarded(7), Ok(()));
    let said = guard::<()>(|| panic::panic_any(Bomb));
    assert!(said.is_err());
}

#[test]
fn a_long_text_is_cut_between_characters() {
    install();
    let said = guard::<()>(|| panic!("{}", "ä".repeat(TEXT_BYTES_MAX))).unwrap_err();
    assert!(said.len() <= TEXT_BYTES_MAX);
    assert!(said.ends_with('ä'));
}
