use expect_test::expect_file;

use host_types::PluginLimits;

use super::*;

#[test]
fn the_page_says_what_the_code_does() {
    expect_file!["../../PERMISSIONS.md"].assert_eq(&catalogue());
}

#[test]
fn nothing_is_left_out() {
    let page = catalogue();
    for capability in Capability::ALL {
        assert!(page.contains(&format!("\n| `{}` |", capability.word())), "{capability:?}");
    }
    for restriction in Restriction::ALL {
        assert!(page.contains(&format!("\n| `{}` |", restriction.word())), "{restriction:?}");
    }
    for preset in Preset::ALL {
        assert!(page.contains(&format!("\n- `{}`: ", preset.word())), "{preset:?}");
    }
}

#[test]
fn no_limit_is_left_out() {
    // A new one does not compile until it is here, too.
    let PluginLimits {
        memory_bytes_max: _,
        table_elements_max: _,
        call_budget: _,
        start_budget: _,
        contexts_max: _,
        log_lines_per_second_max: _,
        log_line_bytes_max: _,
        cpu_per_second: _,
        calls_max: _,
        call_bytes_max: _,
        call_timeout_max: _,
        tick_period_min: _,
        metrics_max: _,
        shared_data_bytes_max: _,
        held_body_bytes_max: _,
    } = PluginLimits::default();
    assert_eq!(limits::limits(&PluginLimits::default()).len(), 15);
}
