use std::path::Path;

use super::Config;

#[test]
fn entries_stand_under_their_section() {
    let config = Config::to_app(([127, 0, 0, 1], 80).into()).top("workers: 1").plugin(
        "p",
        Path::new("p.wasm"),
        "phases: [request_headers]",
    );
    let text = config.to_string();
    assert!(text.starts_with("workers: 1\nlisteners:\n  - name: web\n    address: 127.0.0.1:0\n"));
    assert!(text.contains("clusters:\n  - name: app\n    endpoints: [\"127.0.0.1:80\"]\n"));
    assert!(text.ends_with("    source: \"p.wasm\"\n    phases: [request_headers]\n"));
}
