//! Files that mean harm: they end in errors, soon, and never in a panic.

use proptest::prelude::*;

use super::*;

const FORMATS: [Format; 3] = [Format::Yaml, Format::Json, Format::Toml];

/// Refused, and told with words of a size that a terminal bears.
#[track_caller]
fn refused(text: &str, format: Format) -> String {
    let errors = parse_here(text, format).unwrap_err();
    assert!(errors.iter().count() <= 100);
    assert!(errors.report(false).len() < 1 << 20);
    errors.iter().next().unwrap().to_string()
}

#[test]
fn deep_nesting_is_refused() {
    let deep = "nesting is deeper than 64";
    let told = refused(&"[".repeat(1 << 20), Format::Yaml);
    assert!(told.contains(deep), "{told}");
    assert!(refused(&"[".repeat(1 << 20), Format::Json).contains(deep));
    assert!(refused(&"{\"a\":".repeat(1 << 18), Format::Json).contains(deep));
    let block: String = (0..200).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    assert!(refused(&block, Format::Yaml).contains(deep));
    assert!(refused(&format!("a = {}", "[".repeat(1 << 20)), Format::Toml).contains("TOML"));
    let dotted = vec!["a"; 1 << 16].join(".");
    assert!(refused(&format!("{dotted} = 1"), Format::Toml).contains("TOML"));
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut text = String::from("a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n");
    for level in 1..20 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{aliases}]\n");
    }
    assert!(refused(&text, Format::Yaml).contains("more than 250000 values"));
}

#[test]
fn an_error_that_an_alias_repeats_is_told_once() {
    let text = "a: &a { b: 1 }\nlisteners: [{ address: \"127.0.0.1:0\", limits: &l { x: 1 }, protocol: tcp, cluster: c }, { address: \"127.0.0.1:0\", limits: *l, protocol: tcp, cluster: c }]\nclusters: [{ name: c, endpoints: [\"a:1\"] }]\n";
    let errors = parse_here(text, Format::Yaml).unwrap_err();
    let told = errors.iter().filter(|error| error.to_string() == "unknown key `x`").count();
    assert_eq!(told, 1);
}

#[test]
fn an_alias_stands_for_what_it_names() {
    let text = "listeners: [{ address: &a \"127.0.0.1:0\", protocol: tcp, cluster: c }, { address: *a, name: two, protocol: tcp, cluster: c }]\nclusters: [{ name: c, endpoints: [\"a:1\"] }]\n";
    assert_eq!(parse_here(text, Format::Yaml).unwrap().plan.listeners.len(), 2);
}

#[test]
fn huge_numbers_are_refused() {
    let nines = "9".repeat(400);
    for number in [nines.as_str(), "1e999", "-1e999", "0xffffffffffffffffff", "1e19"] {
        refused(&format!("workers: {number}\n"), Format::Yaml);
        refused(&format!("{{\"workers\": {number}}}"), Format::Json);
        refused(&format!("workers = {number}\n"), Format::Toml);
    }
}

#[test]
fn more_errors_than_anybody_reads_are_cut_off() {
    let text: String = (0..5000).map(|key| format!("key{key}: 1\n")).collect();
    refused(&text, Format::Yaml);
    let errors = parse_here(&text, Format::Yaml).unwrap_err();
    assert_eq!(errors.to_json()["more"], true);
    assert!(errors.to_string().ends_with("and more"));
}

#[test]
fn errors_in_one_long_line_are_told_without_it() {
    let keys: Vec<_> = (0..5000).map(|key| format!("\"key{key}\": 1")).collect();
    let text = format!("{{{}}}", keys.join(","));
    for format in FORMATS {
        refused(&text, format);
    }
}

#[test]
fn thousands_of_unknown_names_take_no_time() {
    let cluster = |number| format!("- {{ name: c{number}, endpoints: [\"a:1\"] }}\n");
    let clusters: String = (0..20_000).map(cluster).collect();
    let route = "    - { match: { prefix: / }, cluster: d1 }\n".repeat(10_000);
    let listener = "listeners:\n- address: 127.0.0.1:0\n  routes:\n";
    refused(&format!("{listener}{route}clusters:\n{clusters}"), Format::Yaml);
}

#[test]
fn too_many_regular_expressions_are_refused() {
    let header = "{ name: a, regex: b }, ";
    let route = format!(
        "      - {{ match: {{ prefix: /, headers: [{}] }}, respond: {{}} }}\n",
        header.repeat(60)
    );
    let text = format!("listeners:\n  - address: 127.0.0.1:0\n    routes:\n{}", route.repeat(20));
    assert!(refused(&text, Format::Yaml).contains("more than 1000 regular expressions"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes);
        for format in FORMATS {
            if let Err(errors) = parse_here(&text, format) {
                prop_assert!(!errors.report(false).is_empty());
            }
        }
    }

    #[test]
    fn no_text_of_its_words_makes_it_panic(words in proptest::collection::vec(words(), 0..60)) {
        let text = words.concat();
        for format in FORMATS {
            if let Err(errors) = parse_here(&text, format) {
                prop_assert!(!errors.report(true).is_empty());
                prop_assert!(errors.to_json()["errors"].is_array());
            }
        }
    }

    #[test]
    fn a_right_file_with_a_piece_cut_or_put_in_never_panics(
        at in any::<proptest::sample::Index>(),
        length in 0..40_usize,
        piece in "[ -~ö\\n\\t]{0,6}",
    ) {
        let mut characters: Vec<char> = EVERYTHING.chars().collect();
        let at = at.index(characters.len());
        let end = (at + length).min(characters.len());
        characters.splice(at..end, piece.chars());
        let text: String = characters.into_iter().collect();
        if let Err(errors) = parse_here(&text, Format::Yaml) {
            prop_assert!(!errors.report(false).is_empty());
        }
    }
}

fn words() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "listeners",
        "routes",
        "match",
        "clusters",
        "name",
        ": ",
        "\n",
        "  ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\"",
        "'",
        "&a ",
        "*a",
        "!!str ",
        "|\n",
        ">\n",
        "# ",
        "...",
        "---\n",
        "? ",
        "=",
        "1",
        "-",
        "null",
        "ö",
        "\t",
        "\\",
        "%",
        "<<",
        "@",
        "[[",
        "]]",
        ".",
        "\r",
        "\u{feff}",
    ])
}
