use std::{cell::Cell, collections::HashMap};

use host_extension::CallError;
use proptest::prelude::*;

use super::{Data, ENTRY_OVERHEAD};
use crate::SharedLimits;

fn data(data_bytes_max: usize, keys_max: usize) -> Data {
    Data::new(&SharedLimits { data_bytes_max, keys_max, ..SharedLimits::default() })
}

fn set(data: &Data, key: &str, value: &str) -> Result<(), CallError> {
    data.set(key.as_bytes(), value.as_bytes(), 0, || 1)
}

#[test]
fn a_value_is_there_with_the_version_that_it_was_given() {
    let data = data(1000, 10);
    assert_eq!(data.value(b"a"), Err(CallError::NotFound));
    assert_eq!(data.set(b"a", b"one", 7, || 40), Ok(()), "a missing key takes every version");
    assert_eq!(data.value(b"a"), Ok((b"one"[..].into(), 40)));
    assert_eq!(data.set(b"a", b"", 40, || 41), Ok(()));
    assert_eq!(data.value(b"a"), Ok((b""[..].into(), 41)), "an empty value is a value");
}

#[test]
fn a_value_that_somebody_changed_is_left_as_it_is() {
    let data = data(1000, 10);
    assert_eq!(data.set(b"a", b"one", 0, || 40), Ok(()));
    let refused = data.set(b"a", b"two", 39, || unreachable!("no version is used up"));
    assert_eq!(refused, Err(CallError::Conflict));
    assert_eq!(data.value(b"a"), Ok((b"one"[..].into(), 40)));
}

#[test]
fn bytes_past_the_limit_are_refused_and_leave_what_was_there() {
    let data = data(ENTRY_OVERHEAD + 10, 10);
    assert_eq!(set(&data, "key", "0123456"), Ok(()));
    assert_eq!(set(&data, "key", "01234567"), Err(CallError::LimitReached));
    assert_eq!(set(&data, "b", ""), Err(CallError::LimitReached));
    assert_eq!(data.value(b"key"), Ok((b"0123456"[..].into(), 1)));
    assert_eq!(data.keys.used(), 1, "a refused key gives its place back");
    assert_eq!(set(&data, "key", "0"), Ok(()));
    assert_eq!(data.bytes.used(), ENTRY_OVERHEAD + 4);
}

#[test]
fn keys_past_the_limit_are_refused() {
    let data = data(10_000, 2);
    assert_eq!(set(&data, "a", ""), Ok(()));
    assert_eq!(set(&data, "b", ""), Ok(()));
    assert_eq!(set(&data, "c", ""), Err(CallError::LimitReached));
    assert_eq!(set(&data, "a", "again"), Ok(()));
}

proptest! {
    /// Against a map: what is there, which version it has, and what it costs.
    #[test]
    fn a_namespace_behaves_as_a_map_with_versions(
        steps in prop::collection::vec((0..6_u8, 0..20_usize, 0..4_u32), 1..60)
    ) {
        let max = 4 * ENTRY_OVERHEAD + 40;
        let data = data(max, 4);
        let mut model = HashMap::<u8, (Vec<u8>, u32)>::new();
        let versions = Cell::new(0);
        for (key, length, behind) in steps {
            let value = vec![key; length];
            let known = model.get(&key).cloned();
            // Zero for any version, one for the right one, more for a stale one.
            let expected = match (behind, &known) {
                (0, _) => 0,
                (1, Some((_, version))) => *version,
                (other, _) => 1_000_000 + other,
            };
            let next = || {
                versions.set(versions.get() + 1);
                versions.get()
            };
            let answer = data.set(&[key], &value, expected, next);
            let cost = |value: &Vec<u8>| ENTRY_OVERHEAD + 1 + value.len();
            let others = model.iter().filter(|(known, _)| **known != key);
            let sum = others.map(|(_, (value, _))| cost(value)).sum::<usize>() + cost(&value);
            let wanted = match known {
                Some(_) if behind > 1 => Err(CallError::Conflict),
                None if model.len() == 4 => Err(CallError::LimitReached),
                _ if sum > max => Err(CallError::LimitReached),
                _ => Ok(()),
            };
            prop_assert_eq!(answer, wanted);
            if answer.is_ok() {
                model.insert(key, (value, versions.get()));
            }
            for (key, (value, version)) in &model {
                prop_assert_eq!(data.value(&[*key]), Ok((value.as_slice().into(), *version)));
            }
            let used: usize = model.values().map(|(value, _)| cost(value)).sum();
            prop_assert_eq!(data.bytes.used(), used);
            prop_assert_eq!(data.keys.used(), model.len());
        }
    }
}
