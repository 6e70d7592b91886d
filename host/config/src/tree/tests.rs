use super::*;

/// Reads a text that is right, and shows it as JSON.
fn shown(text: &str, format: Format) -> String {
    let problems = Problems::default();
    let node = read(text, format, &problems).unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    node.to_value().to_string()
}

#[track_caller]
fn check(text: &str, expect: &str) {
    assert_eq!(shown(text, Format::Yaml), expect);
}

#[test]
fn plain_words_are_those_of_the_core_schema() {
    check("[yes, no, on, off, Yes, n]", r#"["yes","no","on","off","Yes","n"]"#);
    check("[true, True, FALSE, tRue]", r#"[true,true,false,"tRue"]"#);
    check("[null, ~, NULL, nuLL]", r#"[null,null,null,"nuLL"]"#);
    check("a:\n", r#"{"a":null}"#);
    check("['true', \"1\", '~']", r#"["true","1","~"]"#);
}

#[test]
fn plain_numbers_are_those_of_the_core_schema() {
    check("[0, 12, -3, +4, 010]", "[0,12,-3,4,10]");
    check("[0x1F, 0o17, 0x, 0o8]", r#"[31,15,"0x","0o8"]"#);
    check("[1.5, -.5, 1e3, 1., 12e]", r#"[1.5,-0.5,1000.0,1.0,"12e"]"#);
    check(
        "[18446744073709551615, -9223372036854775808]",
        "[18446744073709551615,-9223372036854775808]",
    );
    check(
        "[127.0.0.1:80, 1:2, 1_000, 1-2, 2026-11-22, '+']",
        r#"["127.0.0.1:80","1:2","1_000","1-2","2026-11-22","+"]"#,
    );
    check("[inf, nan, ., e1]", r#"["inf","nan",".","e1"]"#);
}

#[test]
fn keys_are_text_as_it_stands() {
    check("{80: a, true: b, 0x1: c}", r#"{"80":"a","true":"b","0x1":"c"}"#);
    check("{<<: a}", r#"{"<<":"a"}"#);
}

#[test]
fn a_file_without_a_document_is_nothing() {
    check("", "null");
    check("# nothing\n", "null");
    check("---\n", "null");
}

#[test]
fn the_three_formats_read_alike() {
    let expect = r#"{"a":[1,-2,2.5],"b":{"c":"d\n","e":true},"f":[{"g":""},{"g":"h"}]}"#;
    assert_eq!(shown(expect, Format::Json), expect);
    assert_eq!(shown(&expect.replace(',', " ,\n\t "), Format::Json), expect);
    let yaml = "a: [1, -2, 2.5]\nb:\n  c: |\n    d\n  e: true\nf:\n- g: ''\n- {g: h}\n";
    assert_eq!(shown(yaml, Format::Yaml), expect);
    let toml = "a = [1, -2, 2.5]\n[b]\nc = 'd\n'\ne = true\n[[f]]\ng = ''\n[[f]]\ng = 'h'\n";
    let toml = toml.replace("'d\n'", "\"d\\n\"");
    assert_eq!(shown(&toml, Format::Toml), expect);
}

/// The text that the value at a path was read from.
#[track_caller]
fn check_place(text: &str, format: Format, keys: &[&str], expect: (&str, &str)) {
    let root = read(text, format, &Problems::default()).unwrap();
    let (last, before) = keys.split_last().unwrap();
    let node = before.iter().fold(&root, |node, key| match key.parse::<usize>() {
        Ok(place) => &node.items()[place],
        Err(_) => &node.entry(key).unwrap().value,
    });
    let entry = node.entry(last).unwrap();
    let at = |span: Span| text.get(span).unwrap().trim_end();
    let found = (at(entry.key_span.clone()), at(entry.value.head_span()));
    assert_eq!(found, expect);
}

#[test]
fn every_value_knows_its_place() {
    check_place("ö: x\na:\n  - b: 'c d' # e\n", Format::Yaml, &["a", "0", "b"], ("b", "'c d'"));
    check_place("a:\n  b: c d # e\n", Format::Yaml, &["a", "b"], ("b", "c d"));
    check_place("a:\n  b:\n    c: 1\n", Format::Yaml, &["a", "b"], ("b", "c"));
    check_place(r#"{"a": [{"ö" : "\"x"}]}"#, Format::Json, &["a", "0", "ö"], ("\"ö\"", r#""\"x""#));
    check_place(r#"{"a": -1.5e3}"#, Format::Json, &["a"], ("\"a\"", "-1.5e3"));
    check_place("a.b = 1\n", Format::Toml, &["a", "b"], ("b", "1"));
    check_place("[[a]]\nb = 'x'\n", Format::Toml, &["a", "0", "b"], ("b", "'x'"));
}
