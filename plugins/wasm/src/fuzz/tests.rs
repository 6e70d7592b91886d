use super::{
    guest,
    random::{Sum, modules, with_seeds},
};

const MODULES: u64 = 500;
const SCRIPTS: u64 = 1500;
const ALTERED: u64 = 500;

/// As [`with_seeds`], all of them.
fn all(count: u64, one: impl Fn(&mut super::Dice) -> super::Told + Sync) -> Sum {
    with_seeds(count, |_calls| true, one)
}

#[test]
fn random_modules_do_no_harm() {
    let sum = modules(MODULES, || true);
    assert!(sum.panics.is_empty() && sum.started > MODULES / 10, "{sum:?}");
}

#[test]
fn scripted_host_calls_with_hostile_arguments_do_no_harm() {
    let sum = all(SCRIPTS, super::script);
    assert!(sum.panics.is_empty(), "{sum:?}");
    assert!(sum.started > SCRIPTS / 2 && sum.reached > 4 * SCRIPTS, "too few: {sum:?}");
}

#[test]
fn altered_modules_do_no_harm() {
    let whole = guest::module();
    let sum = all(ALTERED, |dice| {
        let mut bytes = whole.clone();
        for _ in 0..=dice.below(4) {
            let at = dice.any() as usize % bytes.len();
            bytes[at] ^= 1 << dice.below(8);
        }
        if dice.below(4) == 0 {
            bytes.truncate(dice.any() as usize % bytes.len());
        }
        super::module(&bytes, dice)
    });
    assert!(sum.panics.is_empty(), "{sum:?}");
}
