use super::*;

#[test]
fn the_kernels_numbers_are_read() {
    assert_eq!(schedstat("1154303 4843253 2\n"), Some(1_154_303));
    assert_eq!(schedstat(""), None);
    assert_eq!(resident_kib("VmPeak:\t 9 kB\nVmRSS:\t    4711 kB\n"), Some(4711));
    assert_eq!(resident_kib("VmPeak:\t 9 kB\n"), None);
}
