use std::{cell::Cell, collections::HashMap};

use host_extension::CallError;
use proptest::prelude::*;

use super::{Data, ENTRY_OVERHEAD};
use crate::SharedLimits;

fn data(data_bytes_max: usize, keys_max: usize) -> Data {
    Data::new(&SharedLimits { data_bytes_max, keys_max, ..SharedLimits::default() })
}

fn set(data: &Data, key: &str, value: &str) -> Result<(), CallError> {
    data.set(key.as_bytes(), value.as_bytes(), 0, || 1).map(drop)
}

#[test]
fn a_value_is_there_with_the_version_that_it_was_given() {
    let data = data(1000, 10);
    assert_eq!(data.value(b"a"), Err(CallError::NotFound));
    assert_eq!(data.set(b"a", b"one", 7, || 40), Ok(0), "a missing key takes every version");
    assert_eq!(data.value(b"a"), Ok((b"one"[..].into(), 40)));
    assert_eq!(data.set(b"a", b"", 40, || 41), Ok(0));
    assert_eq!(data.value(b"a"), Ok((b""[..].into(), 41)), "an empty value is a value");
}

#[test]
fn a_value_that_somebody_changed_is_left_as_it_is() {
    let data = data(1000, 10);
    assert_eq!(data.set(b"a", b"one", 0, || 40), Ok(0));
    let refused = data.set(b"a", b"two", 39, || unreachable!("no version is used up"));
    assert_eq!(refused, Err(CallError::Conflict));
    assert_eq!(data.value(b"a"), Ok((b"one"[..].into(), 40)));
}

#[test]
fn a_value_that_never_fits_is_refused_and_leaves_what_was_there() {
    let data = data(ENTRY_OVERHEAD + 10, 10);
    assert_eq!(set(&data, "key", "0123456"), Ok(()));
    assert_eq!(set(&data, "key", "01234567"), Err(CallError::LimitReached));
    assert_eq!(set(&data, "b", "0123456789"), Err(CallError::LimitReached));
    assert_eq!(data.value(b"key"), Ok((b"0123456"[..].into(), 1)));
    assert_eq!(set(&data, "key", "0"), Ok(()));
    assert_eq!(data.bytes.used(), ENTRY_OVERHEAD + 4);
    assert_eq!((Data::new(&no_keys()).set(b"a", b"", 0, || 1)), Err(CallError::LimitReached));
}

fn no_keys() -> SharedLimits {
    SharedLimits { keys_max: 0, ..SharedLimits::default() }
}

#[test]
fn a_full_namespace_lets_go_of_the_keys_that_were_not_set_for_longest() {
    let data = data(10_000, 3);
    for key in ["a", "b", "c", "a"] {
        assert_eq!(set(&data, key, "value"), Ok(()));
    }
    assert_eq!(data.set(b"d", b"value", 0, || 1), Ok(1), "it is told how many went");
    assert_eq!(data.value(b"b"), Err(CallError::NotFound));
    for number in 0..1000 {
        assert_eq!(set(&data, &number.to_string(), "value"), Ok(()), "it is never full");
        assert_eq!(set(&data, "a", "value"), Ok(()), "what is set again and again stays");
        assert!(data.value(b"a").is_ok());
    }
    assert_eq!((data.keys.used(), data.bytes.used()), (3, 3 * ENTRY_OVERHEAD + 22));
}

#[test]
fn a_value_without_bytes_goes_first() {
    let data = data(10_000, 3);
    for (key, value) in [("a", "value"), ("b", "value"), ("c", "")] {
        assert_eq!(set(&data, key, value), Ok(()));
    }
    assert_eq!(set(&data, "d", "value"), Ok(()));
    assert_eq!(data.value(b"c"), Err(CallError::NotFound));
    assert!(data.value(b"a").is_ok());
}

#[test]
fn a_value_that_grows_makes_room_and_one_that_somebody_changed_does_not() {
    let data = data(2 * ENTRY_OVERHEAD + 10, 10);
    assert_eq!(set(&data, "a", "123"), Ok(()));
    assert_eq!(set(&data, "b", "123"), Ok(()));
    assert_eq!(data.set(b"b", b"0123456789", 9, || 2), Err(CallError::Conflict));
    assert!(data.value(b"a").is_ok());
    assert_eq!(data.set(b"b", b"0123456789", 1, || 2), Ok(1));
    assert_eq!(data.value(b"a"), Err(CallError::NotFound));
    assert_eq!(data.value(b"b"), Ok((b"0123456789"[..].into(), 2)));
}

#[test]
fn one_value_costs_only_so_many_others() {
    let data = data(100 * ENTRY_OVERHEAD * 100, 100_000);
    let keys = 100 * 100 * ENTRY_OVERHEAD / (ENTRY_OVERHEAD + 8);
    for number in 0..keys {
        assert_eq!(set(&data, &format!("{number:08}"), ""), Ok(()));
    }
    let large = vec![0; 50 * ENTRY_OVERHEAD * 100];
    assert_eq!(data.set(b"large", &large, 0, || 1), Err(CallError::LimitReached));
    assert_eq!(data.keys.used(), keys - 1024, "the next attempt goes on from there");
}

/// What the values of a model cost.
fn total(model: &HashMap<u8, (Vec<u8>, u32)>) -> usize {
    model.values().map(|(value, _)| ENTRY_OVERHEAD + 1 + value.len()).sum()
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
        let mut order = Vec::new();
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
            let wanted = match known {
                Some(_) if behind > 1 => Err(CallError::Conflict),
                _ => Ok(()),
            };
            let answer = answer.map(drop);
            prop_assert_eq!(answer, wanted);
            if answer.is_ok() {
                order.retain(|known| *known != key);
                order.push(key);
                model.insert(key, (value, versions.get()));
            }
            // Until it fits: without bytes first, then by age. What was set last is the last.
            while model.len() > 4 || total(&model) > max {
                let is_empty = |key: &&u8| model[*key].0.is_empty() && order.last() != Some(*key);
                let goes = *order.iter().find(is_empty).unwrap_or(&order[0]);
                order.retain(|known| *known != goes);
                model.remove(&goes);
            }
            for (key, (value, version)) in &model {
                prop_assert_eq!(data.value(&[*key]), Ok((value.as_slice().into(), *version)));
            }
            prop_assert_eq!(data.bytes.used(), total(&model));
            prop_assert_eq!(data.keys.used(), model.len());
        }
    }
}
