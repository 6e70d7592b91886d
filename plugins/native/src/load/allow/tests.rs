use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
};

use host_types::NativeAllowed;

use super::{LoadError, check_allowed};
use crate::load::digest;

/// What the libraries of these tests hold.
const BYTES: &[u8] = b"a library";

/// Checks a library that was read with `bytes`.
fn check(directory: &Path, library: &Path, bytes: &[u8]) -> Result<(), LoadError> {
    let allow = [NativeAllowed::Directory(directory.into())];
    check_allowed(&allow, library, &digest(bytes).expect("few bytes"))
}

/// A directory with a library in a deeper one.
fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let library = folder.path().join("deeper/p.so");
    fs::create_dir(folder.path().join("deeper")).expect("made");
    fs::write(&library, BYTES).expect("written");
    for path in [folder.path(), &folder.path().join("deeper"), &library] {
        set_mode(path, 0o755);
    }
    (folder, library)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
}

#[test]
fn a_directory_is_meant_with_all_links_followed() {
    let (good, library) = folder();
    let (bad, elsewhere) = folder();
    symlink(&elsewhere, good.path().join("link.so")).expect("linked");
    symlink(&library, bad.path().join("link.so")).expect("linked");
    let name = good.path().file_name().expect("a name");
    let around = bad.path().join("..").join(name).join("deeper/p.so");
    for path in [&library, &around, &bad.path().join("link.so")] {
        assert!(check(good.path(), path, BYTES).is_ok(), "{path:?}");
    }
    for path in [elsewhere, good.path().join("link.so"), good.path().join("no")] {
        let refused = check(good.path(), &path, BYTES);
        assert!(matches!(refused, Err(LoadError::NotAllowed { .. })), "{path:?}");
    }
}

#[test]
fn a_group_that_is_the_user_alone_may_write_and_another_may_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = folder.path().join("plugin.so");
    fs::write(&library, BYTES).expect("written");
    set_mode(&library, 0o775);
    let own = fs::metadata(&library).expect("it is there").uid();
    // Only root may give it to another group.
    for (group, allowed) in [(own, true), (own + 1, false)] {
        if chown(&library, None, Some(group)).is_ok() {
            let told = check(folder.path(), &library, BYTES);
            assert_eq!(told.is_ok(), allowed, "group {group} of user {own}: {told:?}");
        }
    }
}

#[test]
fn what_others_can_write_allows_nothing() {
    let (folder, library) = folder();
    let deeper = folder.path().join("deeper");
    assert!(check(folder.path(), &library, BYTES).is_ok());
    for path in [folder.path(), &deeper, &library] {
        for mode in [0o757, 0o1777] {
            set_mode(path, mode);
            let refused = check(folder.path(), &library, BYTES).expect_err("others can write it");
            assert!(refused.is_denial());
            let told = refused.to_string();
            assert!(told.contains("can be written by others"), "{told}");
            assert!(told.contains(path.to_str().expect("text")), "{told}");
        }
        set_mode(path, 0o755);
    }
    // What lies above the directory is the operator's own part.
    set_mode(folder.path(), 0o777);
    assert!(check(&deeper, &library, BYTES).is_ok());
}

#[test]
fn what_belongs_to_somebody_else_allows_nothing() {
    let (folder, library) = folder();
    for path in [folder.path(), &library] {
        if let Err(error) = chown(path, Some(12_345), None) {
            eprintln!("SKIPPED: only root gives files away: {error}");
            return;
        }
        let refused = check(folder.path(), &library, BYTES).expect_err("it is another's");
        assert!(refused.to_string().contains("belongs to somebody else"), "{refused}");
        chown(path, Some(0), None).expect("given back");
    }
    assert!(check(folder.path(), &library, BYTES).is_ok());
}

#[test]
fn bytes_that_were_read_elsewhere_are_not_allowed_by_what_lies_there_now() {
    let (folder, library) = folder();
    let link = tempfile::tempdir().expect("a folder").path().with_extension("so");
    symlink(&library, &link).expect("linked");
    for path in [&library, &link] {
        let refused = check(folder.path(), path, b"something else").expect_err("not these");
        assert!(matches!(refused, LoadError::Changed(_)), "{refused}");
        assert!(check(folder.path(), path, BYTES).is_ok());
    }
    fs::remove_file(link).expect("removed");
    let refused = check(folder.path(), &folder.path().join("deeper"), BYTES).expect_err("no file");
    assert!(matches!(refused, LoadError::Changed(_)), "{refused}");
}
