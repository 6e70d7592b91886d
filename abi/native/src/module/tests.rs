use abi_stable::{StableAbi, type_layout::TypeLayout};

use super::{differences, layout};

/// Tables of the same name: of today, with a field more, with a field of another type.
mod today {
    #![expect(dead_code, reason = "of its functions only the type counts")]

    #[repr(C)]
    #[derive(abi_stable::StableAbi)]
    #[sabi(kind(Prefix(prefix_ref = TableRef)))]
    pub(super) struct Table {
        pub(super) size: u32,
        #[sabi(last_prefix_field)]
        pub(super) call: unsafe extern "C" fn(u64) -> u32,
    }
}

mod newer {
    #![expect(dead_code, reason = "of its functions only the type counts")]

    #[repr(C)]
    #[derive(abi_stable::StableAbi)]
    #[sabi(kind(Prefix(prefix_ref = TableRef)))]
    #[sabi(missing_field(panic))]
    pub(super) struct Table {
        pub(super) size: u32,
        #[sabi(last_prefix_field)]
        pub(super) call: unsafe extern "C" fn(u64) -> u32,
        pub(super) more: unsafe extern "C" fn(u64) -> u32,
    }
}

mod other {
    #![expect(dead_code, reason = "of its functions only the type counts")]

    #[repr(C)]
    #[derive(abi_stable::StableAbi)]
    #[sabi(kind(Prefix(prefix_ref = TableRef)))]
    pub(super) struct Table {
        pub(super) size: u32,
        #[sabi(last_prefix_field)]
        pub(super) call: unsafe extern "C" fn(u32) -> u32,
    }
}

const TODAY: &TypeLayout = <today::TableRef as StableAbi>::LAYOUT;
const NEWER: &TypeLayout = <newer::TableRef as StableAbi>::LAYOUT;
const OTHER: &TypeLayout = <other::TableRef as StableAbi>::LAYOUT;

#[test]
fn a_layout_fits_itself() {
    assert_eq!(differences(layout(), layout()), Ok(()));
    assert_eq!(differences(TODAY, TODAY), Ok(()));
}

#[test]
fn a_newer_table_and_an_older_one_fit_each_other() {
    assert_eq!(differences(TODAY, NEWER), Ok(()));
    assert_eq!(differences(NEWER, TODAY), Ok(()));
}

#[test]
fn a_table_with_another_signature_is_told_apart() {
    for (known, found) in [(TODAY, OTHER), (NEWER, OTHER), (OTHER, TODAY)] {
        let told = differences(known, found).expect_err("they differ");
        assert!(told.contains("call"), "{told}");
    }
    assert!(differences(layout(), TODAY).is_err());
}
