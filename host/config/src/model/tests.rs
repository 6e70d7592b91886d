use serde_json::Value;

use super::*;

/// Visits every property with its name.
fn properties(schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    let named = schema.get("properties").and_then(Value::as_object);
    named.into_iter().flatten().for_each(|(name, property)| visit(name, property));
    let inner = schema.as_object().into_iter().flat_map(|map| map.values());
    let items = schema.as_array().into_iter().flatten();
    inner.chain(items).for_each(|value| properties(value, visit));
}

#[test]
fn every_key_is_documented() {
    properties(&schema(), &mut |name, property| {
        let description = property.get("description").and_then(Value::as_str);
        assert!(description.is_some_and(|text| text.ends_with('.')), "{name}");
    });
}

#[test]
fn every_number_has_a_range() {
    properties(&schema(), &mut |name, property| {
        if property["type"] == "integer" && property.get("enum").is_none() {
            assert!(property.get("maximum").is_some(), "{name}");
        }
    });
}

#[test]
fn every_map_refuses_unknown_keys() {
    let schema = schema();
    for (name, definition) in schema["$defs"].as_object().unwrap() {
        if definition["type"] == "object" {
            assert_eq!(definition["additionalProperties"], false, "{name}");
        }
    }
}
