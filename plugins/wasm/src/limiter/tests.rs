//! The limiter by itself; that it stands on every way to a guest is in `torture`.

use host_types::PluginLimits;
use wasmtime::ResourceLimiter;

use super::{Limiter, Refusal};

fn limiter() -> Limiter {
    Limiter::new(&PluginLimits {
        memory_bytes_max: 1000,
        table_elements_max: 10,
        ..PluginLimits::default()
    })
}

#[test]
fn growth_up_to_a_limit_is_granted_and_no_byte_more() {
    let mut limiter = limiter();
    assert!(limiter.memory_growing(0, 1000, None).expect("an answer"));
    assert_eq!((limiter.memory_bytes(), limiter.refused()), (1000, None));
    assert!(!limiter.memory_growing(1000, 1001, None).expect("an answer"));
    assert_eq!((limiter.memory_bytes(), limiter.refused()), (1000, Some(Refusal::Memory(1001))));
    limiter.forget();
    assert_eq!(limiter.refused(), None);
    assert!(limiter.table_growing(0, 10, None).expect("an answer"));
    assert!(!limiter.table_growing(10, 11, None).expect("an answer"));
    assert_eq!(limiter.refused(), Some(Refusal::Table(11)));
}

#[test]
fn a_module_s_own_maximum_counts_too() {
    let mut limiter = limiter();
    assert!(!limiter.memory_growing(0, 500, Some(400)).expect("an answer"));
    assert!(!limiter.table_growing(0, 5, Some(4)).expect("an answer"));
}

#[test]
fn growth_that_the_machine_refuses_takes_nothing() {
    let mut limiter = limiter();
    assert!(limiter.memory_growing(0, 100, None).expect("an answer"));
    assert!(limiter.memory_growing(100, 200, None).expect("an answer"));
    limiter.memory_grow_failed(wasmtime::Error::msg("no more")).expect("it is noted");
    assert_eq!((limiter.memory_bytes(), limiter.refused()), (100, Some(Refusal::Memory(0))));
}
