use std::{fs, os::unix::fs::PermissionsExt};

use host_types::NativeAllowed;

use super::{LoadError, check_allowed};

#[test]
fn a_directory_is_meant_with_all_links_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
    fs::create_dir_all(good.join("deeper")).expect("made");
    fs::create_dir(&bad).expect("made");
    fs::write(good.join("deeper/p.so"), b"").expect("written");
    fs::write(bad.join("p.so"), b"").expect("written");
    std::os::unix::fs::symlink(bad.join("p.so"), good.join("link.so")).expect("linked");
    let allow = [NativeAllowed::Directory(good.clone())];
    let check = |path: &std::path::Path| check_allowed(&allow, path, &[0; 32]);
    assert!(check(&good.join("deeper/p.so")).is_ok());
    assert!(check(&bad.join("../good/deeper/p.so")).is_ok());
    for path in [bad.join("p.so"), good.join("link.so"), good.join("../bad/p.so"), good.join("no")]
    {
        let refused = check(&path);
        assert!(matches!(refused, Err(LoadError::NotAllowed { .. })), "{path:?}");
    }
}

#[test]
fn a_directory_that_everybody_can_write_allows_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = folder.path().join("p.so");
    fs::write(&library, b"").expect("written");
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).expect("its mode");
    let allow = [NativeAllowed::Directory(folder.path().into())];
    let refused = check_allowed(&allow, &library, &[0; 32]).expect_err("it is open");
    assert!(refused.to_string().contains("can be written by everybody"), "{refused}");
}
