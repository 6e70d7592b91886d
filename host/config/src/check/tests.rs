use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Format, schema, tree};

/// What this checker says of a value, beside what a complete validator says.
fn verdicts(value: &Value) -> (bool, bool) {
    let problems = Problems::default();
    let schema = schema();
    let mut root = tree::read(&value.to_string(), Format::Json, &problems).unwrap();
    let usable = Checker { schema: &schema, problems: &problems }.check_root(&mut root);
    let ours = usable && problems.is_empty();
    (ours, jsonschema::is_valid(&schema, value))
}

fn right() -> Value {
    json!({
        "workers": 2,
        "admin": { "address": "unix:/a" },
        "access_log": { "file": "a" },
        "log": { "level": "info", "format": "json" },
        "listeners": [{
            "address": "127.0.0.1:1",
            "protocol": "http",
            "limits": { "header_bytes_max": 8192 },
            "forwarding": { "via": "a" },
            "stream_filters": [{ "plugin": "p", "config": { "any": [1] }, "on_error": "open" }],
            "routes": [{
                "match": { "prefix": "/", "methods": ["GET"] },
                "respond": { "status": 200, "headers": { "a": "b" } },
                "host_rewrite": "endpoint",
            }, {
                "match": { "headers": [{ "name": "a", "present": true }] },
                "redirect": { "status": 301, "port": 1 },
                "host_rewrite": { "host": "a" },
                "clusters": [{ "name": "c", "weight": 0 }],
            }],
        }, {
            "address": "127.0.0.1:2",
            "protocol": ["dubbo", { "name": "bolt", "config": { "go_away": true } }, "tcp"],
            "routes": [{
                "match": { "service": "a", "rpc_method": "b" },
                "retry": { "max": 2, "on": ["reset", 503] },
            }],
        }],
        "clusters": [{
            "name": "c",
            "endpoints": ["a:1", { "address": "b:1", "weight": 3 }],
            "pool": { "idle_max": 0 },
        }],
        "plugins": [{ "name": "p", "backend": "wasm", "source": "a", "phases": ["request_body"] }],
        "policies": [{
            "name": "p",
            "preset": "none",
            "grants": ["log"],
            "mode": "enforce",
            "allow_unenforced": ["memory"],
            "limits": { "memory_mib": 1 },
        }],
    })
}

#[test]
fn a_right_file_is_right_to_both() {
    assert_eq!(verdicts(&right()), (true, true));
}

#[test]
fn the_schema_says_nothing_that_the_checker_does_not_know() {
    walk(&schema());
}

fn walk(schema: &Value) {
    const KNOWN: [&str; 23] = [
        "$defs",
        "$ref",
        "$schema",
        "additionalProperties",
        "anyOf",
        "const",
        "default",
        "description",
        "enum",
        "examples",
        "format",
        "items",
        "maxItems",
        "maxLength",
        "maximum",
        "minItems",
        "minLength",
        "minimum",
        "oneOf",
        "properties",
        "required",
        "title",
        "type",
    ];
    schema.as_array().into_iter().flatten().for_each(walk);
    for (keyword, value) in schema.as_object().into_iter().flatten() {
        assert!(KNOWN.contains(&keyword.as_str()), "{keyword}");
        match (keyword.as_str(), value) {
            ("properties" | "$defs", Value::Object(named)) => named.values().for_each(walk),
            ("default" | "enum" | "examples" | "const" | "required" | "type", _) => {}
            _ => walk(value),
        }
    }
}

/// The places of a value, as JSON pointers.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    into.push(at.to_owned());
    for (key, value) in value.as_object().into_iter().flatten() {
        places(value, &format!("{at}/{key}"), into);
    }
    for (place, item) in value.as_array().into_iter().flatten().enumerate() {
        places(item, &format!("{at}/{place}"), into);
    }
}

fn change() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![-2..400_i64, Just(0), Just(70_000), Just(5_000_000_000)].prop_map(Value::from),
        prop_oneof!["", "[a-z]{1,4}", "http|tcp|endpoint|off|stdout|/"].prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!(["a"])),
        Just(json!({ "host": "a" })),
        Just(json!({ "name": "a", "weight": 1 })),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_checker_judges_as_a_complete_validator_does(
        place in any::<proptest::sample::Index>(),
        change in change(),
        how in 0..3,
    ) {
        let mut value = right();
        let mut all = Vec::new();
        places(&value, "", &mut all);
        let target = value.pointer_mut(&all[place.index(all.len())]).unwrap();
        match (how, target) {
            (0, Value::Object(map)) => { map.insert("zzz".into(), change); }
            (1, Value::Object(map)) if !map.is_empty() => {
                let key = map.keys().next().unwrap().clone();
                map.shift_remove(&key);
            }
            (_, target) => *target = change,
        }
        let (ours, theirs) = verdicts(&value);
        prop_assert_eq!(ours, theirs, "{}", value);
    }
}
