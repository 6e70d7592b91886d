//! Limits that are stated by being written, and that are therefore not filled in where what is in
//! force is shown: read again, a default would be a promise that nobody made.

use plugins_policy::Restriction;
use serde_json::Value;

use crate::cursor::Cursor;

/// Limits of a policy that state a restriction.
const OF_POLICIES: [(&str, Restriction); 5] = [
    ("memory_mib", Restriction::Memory),
    ("cpu_ms_per_second", Restriction::Cpu),
    ("cpu_ms_per_call", Restriction::CpuPerCall),
    ("cpu_ms_start", Restriction::CpuPerCall),
    ("table_elements_max", Restriction::Table),
];

/// Limits of a sandbox that do.
const OF_SANDBOXES: [(&str, Restriction); 2] =
    [("memory_mib", Restriction::Memory), ("processes_max", Restriction::Processes)];

/// The restrictions that the limits of a policy state.
pub(super) fn by_limits(at: &Cursor<'_>) -> Vec<Restriction> {
    stated(&OF_POLICIES, at)
}

/// The restrictions that a sandbox states.
pub(super) fn by_sandbox(at: &Cursor<'_>) -> Vec<Restriction> {
    stated(&OF_SANDBOXES, at)
}

/// Takes the defaults of such limits out of a file that has all defaults.
pub(super) fn leave_out_unstated(file: &mut Value, at: &Cursor<'_>) {
    for (at, policy) in items(file, "policies", at) {
        let limits = policy.get_mut("limits");
        leave_out(limits, &OF_POLICIES, &at.key("limits"));
    }
    for (at, plugin) in items(file, "plugins", at) {
        let sandbox = plugin.get_mut("process").and_then(|process| process.get_mut("sandbox"));
        leave_out(sandbox, &OF_SANDBOXES, &at.key("process").key("sandbox"));
    }
}

fn stated(known: &[(&str, Restriction)], at: &Cursor<'_>) -> Vec<Restriction> {
    let written = known.iter().filter(|(key, _restriction)| at.has(key));
    let mut stated: Vec<_> = written.map(|(_key, restriction)| *restriction).collect();
    stated.dedup();
    stated
}

fn items<'a>(
    file: &'a mut Value,
    list: &str,
    at: &'a Cursor<'_>,
) -> impl Iterator<Item = (Cursor<'a>, &'a mut Value)> {
    let at = at.key(list);
    let items = file.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
    items.enumerate().map(move |(place, item)| (at.item(place), item))
}

fn leave_out(map: Option<&mut Value>, known: &[(&str, Restriction)], at: &Cursor<'_>) {
    let Some(map) = map.and_then(Value::as_object_mut) else { return };
    map.retain(|key, _value| at.has(key) || known.iter().all(|(one, _restriction)| one != key));
}
