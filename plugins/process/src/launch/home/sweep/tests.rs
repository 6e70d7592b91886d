use std::{fs, os::unix::fs::PermissionsExt, sync::mpsc::channel, time::Duration};

use rustix::fs::mkdirat;

use super::*;

/// Directories, each within the one before.
fn nest(path: &Path, depth: usize) {
    fs::create_dir(path).unwrap();
    let mut inner = open(CWD, path).unwrap();
    for _level in 0..depth {
        mkdirat(&inner, "d", Mode::RWXU).unwrap();
        inner = open(&inner, "d").unwrap();
    }
    let file = OFlags::CREATE | OFlags::WRONLY;
    drop(openat(&inner, "file", file, Mode::RWXU).unwrap());
}

#[test]
fn a_tree_deeper_than_any_stack_goes() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("tree");
    nest(&path, 3_000);
    // A stack on which each level would have twenty bytes.
    let work = {
        let path = path.clone();
        move || remove_some(&path, &mut 20_000)
    };
    let thread = thread::Builder::new().stack_size(64 * 1024).spawn(work).unwrap();
    assert_eq!(thread.join().unwrap(), Ok(Rest::Nothing));
    assert!(!path.exists());
}

#[test]
fn a_turn_removes_no_more_than_it_may() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("tree");
    fs::create_dir_all(path.join("inner")).unwrap();
    for number in 0..100 {
        fs::write(path.join(format!("inner/{number}")), "").unwrap();
    }
    // One is the directory that they are in.
    assert_eq!(remove_some(&path, &mut 40), Ok(Rest::Some));
    assert_eq!(fs::read_dir(path.join("inner")).unwrap().count(), 61);
    assert_eq!(remove_some(&path, &mut 40), Ok(Rest::Some));
    assert_eq!(remove_some(&path, &mut 40), Ok(Rest::Nothing));
    assert_eq!(remove_some(&path, &mut 0), Ok(Rest::Nothing), "nothing is left of what is gone");
}

#[test]
fn what_is_too_much_at_once_goes_later_and_holds_what_it_needs() {
    struct Told(std::sync::mpsc::Sender<bool>, PathBuf);
    impl Drop for Told {
        fn drop(&mut self) {
            let _heard = self.0.send(self.1.exists());
        }
    }
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("tree");
    nest(&path, 500);
    let (tell, told) = channel();
    remove(&path, &mut AT_ONCE.clone(), Told(tell, path.clone()));
    assert_eq!(told.recv_timeout(Duration::from_secs(20)), Ok(false), "let go before it was gone");
}

#[test]
fn rights_that_were_taken_away_keep_nothing() {
    let base = tempfile::tempdir().unwrap();
    let path = base.path().join("tree");
    fs::create_dir_all(path.join("a/b/c/d")).unwrap();
    for closed in ["a/b/c", "a/b", "a", ""] {
        fs::set_permissions(path.join(closed), fs::Permissions::from_mode(0o000)).unwrap();
    }
    assert_eq!(remove_some(&path, &mut 100), Ok(Rest::Nothing));
    assert!(!path.exists());
}

#[test]
fn links_are_removed_and_not_followed() {
    let base = tempfile::tempdir().unwrap();
    let kept = base.path().join("kept");
    fs::create_dir(&kept).unwrap();
    fs::write(kept.join("file"), "x").unwrap();
    let path = base.path().join("tree");
    fs::create_dir_all(path.join("inner")).unwrap();
    for link in ["link", "inner/link"] {
        std::os::unix::fs::symlink(&kept, path.join(link)).unwrap();
    }
    assert_eq!(remove_some(&path, &mut 100), Ok(Rest::Nothing));
    let link = base.path().join("top");
    std::os::unix::fs::symlink(&kept, &link).unwrap();
    assert!(remove_some(&link, &mut 100).is_err());
    assert!(kept.join("file").exists());
}
