use rustix::fs::FileType;

use super::*;

fn names(base: &Path) -> Vec<String> {
    let names = fs::read_dir(base).unwrap().flatten();
    let mut names: Vec<_> =
        names.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn directories_go_with_their_children_and_the_last_takes_all() {
    let base = tempfile::tempdir().unwrap();
    let home = Arc::new(Home::make(base.path()).unwrap());
    let (one, two) = (home.private().unwrap(), home.private().unwrap());
    assert_ne!(one.path(), two.path());
    let mode = fs::metadata(one.path()).unwrap().mode();
    assert_eq!(mode & 0o777, 0o700);
    fs::write(one.path().join("file"), "x").unwrap();
    let gone = one.path().to_owned();
    drop(one);
    assert!(!gone.exists());
    drop(home);
    assert!(two.path().exists());
    drop(two);
    assert!(names(base.path()).is_empty());
}

#[test]
fn only_directories_whose_lock_nobody_holds_are_stale() {
    let base = tempfile::tempdir().unwrap();
    let living = Home::make(base.path()).unwrap();
    let stale = base.path().join("mortise-1-dead");
    fs::create_dir(&stale).unwrap();
    fs::write(stale.join(LOCK), "").unwrap();
    fs::write(stale.join("s"), "").unwrap();
    for kept in ["mortise-1-young", "mortise-notes", "mortise-x-y", "other"] {
        fs::create_dir(base.path().join(kept)).unwrap();
    }
    std::os::unix::fs::symlink("/", base.path().join("mortise-2-link")).unwrap();
    remove_stale(base.path());
    let mut expected = vec!["mortise-1-young", "mortise-notes", "mortise-x-y", "other"];
    expected.push("mortise-2-link");
    expected.push(living.path.file_name().unwrap().to_str().unwrap());
    expected.sort_unstable();
    assert_eq!(names(base.path()), expected);
}

#[test]
fn a_lock_that_is_no_file_is_not_waited_for() {
    let base = tempfile::tempdir().unwrap();
    let named = ["mortise-1-directory", "mortise-1-link", "mortise-1-pipe"];
    for name in named {
        fs::create_dir(base.path().join(name)).unwrap();
    }
    let mode = Mode::RUSR | Mode::WUSR;
    let lock = |name: &str| base.path().join(name).join(LOCK);
    rustix::fs::mknodat(rustix::fs::CWD, lock(named[2]), FileType::Fifo, mode, 0).unwrap();
    std::os::unix::fs::symlink("/dev/null", lock(named[1])).unwrap();
    fs::create_dir(lock(named[0])).unwrap();
    remove_stale(base.path());
    assert_eq!(names(base.path()), named, "nobody of us made them");
}

#[test]
fn those_that_start_together_leave_each_other_alone() {
    let base = tempfile::tempdir().unwrap();
    let start = || {
        for _round in 0..100 {
            let home = Home::make(base.path()).unwrap();
            assert!(home.path.join(LOCK).exists());
        }
    };
    std::thread::scope(|scope| {
        for _proxy in 0..4 {
            scope.spawn(start);
        }
    });
    assert!(names(base.path()).is_empty());
}

#[test]
fn a_directory_has_no_lock_before_it_is_held() {
    let base = tempfile::tempdir().unwrap();
    let young = base.path().join("mortise-1-young");
    fs::create_dir(&young).unwrap();
    File::create(young.join(UNNAMED_LOCK)).unwrap();
    remove_stale(base.path());
    assert!(young.exists());
    // Who has it now is not disturbed by who looks.
    fs::remove_file(young.join(UNNAMED_LOCK)).unwrap();
    let held = lock(&young).unwrap();
    remove_stale(base.path());
    assert!(young.join(LOCK).exists());
    drop(held);
    remove_stale(base.path());
    assert!(!young.exists());
}

#[test]
fn the_directory_of_a_process_that_is_gone_is_removed_once_its_lock_is_free() {
    let base = tempfile::tempdir().unwrap();
    let mut home = Home::make(base.path()).unwrap();
    let path = home.path.clone();
    fs::create_dir_all(path.join("1/deep/deeper")).unwrap();
    assert!(!remove_left(&path), "it is held");
    assert!(path.exists());
    drop(home.lock.take());
    assert!(remove_left(&path));
    assert!(!path.exists());
    assert!(remove_left(&path), "it is gone");

    // The lock went first, and the rest stayed.
    let unlocked = base.path().join("mortise-1-unlocked");
    fs::create_dir_all(unlocked.join("2")).unwrap();
    assert!(remove_left(&unlocked));
    // What is no such directory is not touched.
    let other = base.path().join("other");
    fs::create_dir(&other).unwrap();
    assert!(remove_left(&other));
    let link = base.path().join("mortise-1-link");
    std::os::unix::fs::symlink(&other, &link).unwrap();
    assert!(remove_left(&link));
    assert_eq!(names(base.path()), ["mortise-1-link", "other"]);
}
