use std::collections::BTreeSet;

use super::{AbiVersion, MARKER_PREFIX, host_functions, offered_functions};
use crate::{MOSN_ALIASES, ParamType, preview1};

#[test]
fn every_version_is_found_by_its_marker_and_nothing_else_is() {
    for version in AbiVersion::ALL {
        assert!(version.marker().starts_with(MARKER_PREFIX));
        assert_eq!(AbiVersion::from_marker(version.marker()), Some(version));
    }
    let higress = AbiVersion::from_marker("proxy_abi_version_0_2_100");
    assert_eq!(higress, Some(AbiVersion::V0_2_1));
    assert_eq!(AbiVersion::from_marker("proxy_abi_version_0_3_0"), None);
}

#[test]
fn the_versions_add_up_to_all_functions() {
    let names: BTreeSet<_> = host_functions().map(|function| function.name).collect();
    assert_eq!(names.len(), host_functions().count(), "no name stands twice");
    let of_versions: BTreeSet<_> = AbiVersion::ALL
        .into_iter()
        .flat_map(AbiVersion::functions)
        .map(|function| function.name)
        .collect();
    assert_eq!(names, of_versions);
    assert_eq!(AbiVersion::V0_1_0.functions().count(), 40);
    assert_eq!(AbiVersion::V0_2_0.functions().count(), 38);
    assert_eq!(AbiVersion::V0_2_1.functions().count(), 39);
    assert!(MOSN_ALIASES.iter().all(|alias| !names.contains(alias.name)));
    let offered: BTreeSet<_> = offered_functions().map(|function| function.name).collect();
    assert_eq!(offered.len(), offered_functions().count(), "no name is offered twice");
    assert_eq!(offered.len(), names.len() + 8);
}

#[test]
fn preview1_has_its_46_functions_and_only_proc_exit_never_answers() {
    let names: BTreeSet<_> = preview1::FUNCTIONS.iter().map(|function| function.name).collect();
    assert_eq!(names.len(), 46);
    let silent: Vec<_> = preview1::FUNCTIONS.iter().filter(|f| !f.answers()).collect();
    assert_eq!(silent.len(), 1);
    let seek = preview1::FUNCTIONS.iter().find(|f| f.name == "fd_seek").expect("fd_seek");
    let params: Vec<_> = seek.params().collect();
    assert_eq!(params, [ParamType::I32, ParamType::I64, ParamType::I32, ParamType::I32]);
}
