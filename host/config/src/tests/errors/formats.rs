//! What cannot be read as YAML, JSON or TOML.

use super::*;

#[test]
fn what_is_no_yaml_is_refused_with_its_place() {
    check(
        "[127.0.0.1:9000]",
        "[127.0.0.1:9000",
        expect![[r#"
        mortise:9:1: the file is no YAML: while parsing a flow sequence, expected ',' or ']'
    "#]],
    );
    check(
        "address",
        "\taddress",
        expect![[r#"
        mortise:3:5: the file is no YAML: while parsing a block collection, did not find expected '-' indicator
    "#]],
    );
    check(
        "routes:",
        "virtual_hosts: [{ domains: [*] }]\n    routes:",
        expect![[r#"
        mortise:3:33: the file is no YAML: while scanning an anchor or alias, did not find expected alphabetic or numeric character (text that begins with `*` or `&` must stand in quotes: "*.example.com")
    "#]],
    );
    check(
        "routes:",
        "virtual_hosts: [{ domains: [*.a] }]\n    routes:",
        expect![[r#"
        mortise:3:33: the file is no YAML: while parsing node, found unknown anchor (text that begins with `*` or `&` must stand in quotes: "*.example.com")
    "#]],
    );
    check(
        "name: app",
        "name: app\n    name: b",
        expect![[r#"
        mortise:8:5: the key `name` stands here twice
    "#]],
    );
    check(
        "name: app",
        "name: !!str app",
        expect![[r#"
        mortise:7:11: tags mean nothing here (remove the `!…` before it; quotes make text of a value)
    "#]],
    );
    check(
        "name: app",
        "? [a]\n    : app",
        expect![[r#"
        mortise:7:8: a key must be text
    "#]],
    );
    check(
        "name: app",
        "name: .inf",
        expect![[r#"
        mortise:5:18: unknown cluster `app`
        mortise:7:11: the number `.inf` is not finite or too large
        mortise:7:11: `name` must be text, not nothing
    "#]],
    );
    check_with(
        "---\na: b\n",
        expect![[r#"
        mortise:9:1: the file has more than one document
    "#]],
    );
    check_with(
        "a: &a [*a]\n",
        expect![[r#"
        mortise:9:8: the alias stands inside of what it names
    "#]],
    );
    check_with(
        "größe: 1\nworkers: zwei\n",
        expect![[r#"
            mortise:9:1: unknown key `größe` (the keys are: `listeners`, `clusters`, `plugins`, `services`, `policies`, `wasm`, `native`, `workers`, `drain_timeout_ms`, `admin`, `log`, `access_log`)
            mortise:10:10: `workers` must be a whole number, not text
        "#]],
    );
}

#[test]
fn what_is_no_json_or_toml_is_refused_with_its_place() {
    let json = |text: &str, expect: Expect| check_text(text, Format::Json, expect);
    json(
        "",
        expect![[r#"
        mortise:1:1: expected a value, found the end of the file
    "#]],
    );
    json(
        "{\n  \"a\" 1\n}",
        expect![[r#"
        mortise:2:7: expected `:`, found `1`
    "#]],
    );
    json(
        "{\"a\": [1, 2}",
        expect![[r#"
        mortise:1:12: expected `,` or `]`, found `}`
    "#]],
    );
    json(
        "{\"a\": 1,}",
        expect![[r#"
        mortise:1:9: expected a key in double quotes, found `}`
    "#]],
    );
    json(
        "{\"listeners\": \"a\\x\"}",
        expect![[r#"
        mortise:1:15: the text is no JSON string
    "#]],
    );
    json(
        "{\"a\": \"b",
        expect![[r#"
        mortise:1:7: the text has no closing quote
    "#]],
    );
    json(
        "{\"workers\": 1, \"workers\": 2}",
        expect![[r#"
        mortise:1:2: the file has no `listeners`
        mortise:1:16: the key `workers` stands here twice
    "#]],
    );
    json(
        "{} x",
        expect![[r#"
        mortise:1:4: expected the end of the file, found `x`
    "#]],
    );
    json(
        "[01]",
        expect![[r#"
        mortise:1:2: the number is no JSON number
    "#]],
    );
    json(
        "[tru]",
        expect![[r#"
        mortise:1:2: expected a value, found `t`
    "#]],
    );
    let toml = |text: &str, expect: Expect| check_text(text, Format::Toml, expect);
    toml(
        "workers = ",
        expect![[r#"
        mortise:1:11: the file is no TOML: string values must be quoted, expected literal string
    "#]],
    );
    toml(
        "workers = 1\nworkers = 2\n",
        expect![[r#"
        mortise:2:1: the file is no TOML: duplicate key
    "#]],
    );
    toml(
        "workers = nan\n",
        expect![[r#"
        mortise:1:1: the file has no `listeners`
        mortise:1:11: the number is not finite
    "#]],
    );
    toml(
        "[[listeners]]\nadress = \"127.0.0.1:1\"\n[listeners.limits]\nidle = 1\n",
        expect![[r#"
        mortise:2:1: unknown key `adress` (did you mean `address`?)
        mortise:4:1: unknown key `idle` (did you mean `idle_timeout_ms`?)
    "#]],
    );
}
