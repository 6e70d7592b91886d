use super::*;

#[test]
fn text_is_cut_between_characters() {
    let limits = PluginLimits { log_line_bytes_max: 4, ..PluginLimits::default() };
    let gate = LineGate::new(&limits);
    assert_eq!(gate.text("four"), "four");
    assert_eq!(gate.text("häää"), "hä [4 bytes cut off]");
    assert_eq!(gate.cut("aäää"), "aä");
}
