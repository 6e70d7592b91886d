//! The cases, by family.

mod headers;

use abi_wasm::AbiVersion;

use crate::{call::Function, case::Case, probe::Functions};

/// All cases that a version of the interface can be asked.
pub(crate) fn all(abi: AbiVersion) -> Vec<Case> {
    let functions = Functions::of(abi);
    let offered = |case: &Case| {
        use crate::case::Which::{Armed, Beside, Root, Stream};
        let mut calls =
            [Stream, Root, Armed, Beside].into_iter().flat_map(|which| case.steps(which));
        calls.all(|step| match step.call.function {
            Function::Host(name) => functions.number(name).is_some(),
            Function::Special(_) => true,
        })
    };
    let families = [headers::cases()];
    families.into_iter().flatten().filter(offered).collect()
}
