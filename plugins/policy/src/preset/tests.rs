use super::*;

#[test]
fn every_grant_of_a_preset_is_a_permission() {
    let written =
        [READ_ONLY, DEFAULT, NETWORK, TRUSTED].iter().map(|part| part.len()).sum::<usize>();
    assert_eq!(Preset::Trusted.grants().len(), written);
    assert!(Preset::None.grants().is_empty());
}

#[test]
fn presets_are_found_by_their_words() {
    for preset in Preset::ALL {
        assert_eq!(Preset::named(preset.word()), Some(preset));
    }
    assert_eq!(Preset::named("anything"), None);
}
