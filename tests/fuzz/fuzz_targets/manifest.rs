//! A stranger's manifest, and the permissions in it.
#![no_main]

use abi_manifest::{Manifest, Permission};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(manifest) = Manifest::parse(text) else { return };
    for permission in manifest.permissions {
        let written = permission.to_string();
        let again = written.parse::<Permission>().expect("it was read before");
        assert_eq!(again, permission, "{written}");
        if let Some(pattern) = permission.pattern() {
            // Whatever it stands for, it stands for its own text.
            assert!(pattern.matches(pattern.as_str().as_bytes(), false), "{written}");
        }
    }
});
