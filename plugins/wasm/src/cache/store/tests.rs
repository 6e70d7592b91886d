use std::{fs, os::unix::fs::symlink};

use tempfile::TempDir;

use super::{Entry, Key, Store};

const KEY: Key = Key([7; 32]);

fn store(bytes_max: u64) -> (TempDir, Store) {
    let directory = tempfile::tempdir().expect("a directory");
    let store = Store::new(directory.path().to_owned(), bytes_max);
    (directory, store)
}

fn entry(size: usize) -> Entry {
    Entry { name: "modules/engine/name".to_owned(), code: vec![b'c'; size] }
}

fn files(directory: &TempDir) -> usize {
    fs::read_dir(directory.path()).expect("a directory").count()
}

#[test]
fn what_was_put_is_taken_under_its_key_only() {
    let (directory, store) = store(1 << 20);
    assert_eq!(store.take(&KEY), None);
    store.put(&KEY, &entry(1000)).expect("it is kept");
    assert_eq!(store.take(&KEY), Some(entry(1000)));
    assert_eq!(store.take(&Key([8; 32])), None);
    // The same file under another name is not what that name says.
    fs::copy(store.path(&KEY), store.path(&Key([8; 32]))).expect("a copy");
    assert_eq!(store.take(&Key([8; 32])), None);
    assert_eq!(files(&directory), 1, "the copy is removed");
    // Two writers: the last one wins, with a whole entry.
    store.put(&KEY, &entry(500)).expect("it is kept");
    assert_eq!(store.take(&KEY), Some(entry(500)));
    assert_eq!(files(&directory), 1);
}

#[test]
fn a_file_with_any_bit_flipped_is_removed() {
    let (_directory, store) = store(1 << 20);
    store.put(&KEY, &entry(40)).expect("it is kept");
    let path = store.path(&KEY);
    let whole = fs::read(&path).expect("a file");
    for index in 0..whole.len() {
        let mut altered = whole.clone();
        altered[index] ^= 1 << (index % 8);
        fs::write(&path, altered).expect("a file");
        assert_eq!(store.take(&KEY), None, "byte {index}");
        assert!(!path.exists());
    }
}

#[test]
fn a_file_that_was_cut_off_or_goes_on_is_removed() {
    let (_directory, store) = store(1 << 20);
    store.put(&KEY, &entry(40)).expect("it is kept");
    let path = store.path(&KEY);
    let whole = fs::read(&path).expect("a file");
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).expect("a file");
        assert_eq!(store.take(&KEY), None, "{length} bytes");
    }
    fs::write(&path, [whole.as_slice(), b"more"].concat()).expect("a file");
    assert_eq!(store.take(&KEY), None);
}

#[test]
fn what_is_no_plain_file_is_not_read() {
    let (directory, store) = store(1 << 20);
    store.put(&KEY, &entry(40)).expect("it is kept");
    let other = directory.path().join("other");
    fs::rename(store.path(&KEY), &other).expect("it is moved");
    symlink(&other, store.path(&KEY)).expect("a link");
    assert_eq!(store.take(&KEY), None);
    assert!(other.exists(), "nothing is taken away through a link");
    let key = Key([8; 32]);
    fs::create_dir(store.path(&key)).expect("a directory");
    assert_eq!(store.take(&key), None);
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let (directory, store) = store(3500);
    let keys = [1, 2, 3, 4].map(|number| Key([number; 32]));
    let used = |key: &Key, second: u64| {
        let file = fs::File::open(store.path(key)).expect("a file");
        let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second);
        file.set_modified(time).expect("a time");
    };
    for (key, second) in keys[..3].iter().zip([20, 10, 30]) {
        store.put(key, &entry(1000)).expect("it is kept");
        used(key, second);
    }
    store.put(&keys[3], &entry(1000)).expect("it is kept");
    assert_eq!(files(&directory), 3);
    assert_eq!(store.take(&keys[1]), None, "the oldest one went");
    // What is used now is not the oldest any more.
    assert!(store.take(&keys[0]).is_some());
    used(&keys[3], 40);
    store.put(&keys[1], &entry(1000)).expect("it is kept");
    assert!(store.take(&keys[0]).is_some());
    assert_eq!(store.take(&keys[2]), None);
    // What does not fit at all is not kept, and nothing makes room for it.
    assert!(store.put(&keys[2], &entry(4000)).is_err());
    assert_eq!(files(&directory), 3);
}

#[test]
fn an_entry_that_cannot_be_read_stays() {
    let (_directory, store) = store(1 << 20);
    store.put(&KEY, &entry(1000)).expect("it is kept");
    // Larger than what another process, with another limit, would read.
    let small = Store::new(store.directory.clone(), 100);
    assert_eq!(small.take(&KEY), None);
    assert_eq!(store.take(&KEY), Some(entry(1000)));
}

#[test]
fn files_of_others_are_neither_counted_nor_removed() {
    let (directory, store) = store(2500);
    let upper = format!("{}.module", "A".repeat(64));
    let short = format!("{}.module", "a".repeat(63));
    let others = ["notes.txt", "new-plans.txt", "new-", "a.module", &upper, &short];
    for name in others {
        fs::write(directory.path().join(name), vec![0; 3000]).expect("a file");
    }
    let left = directory.path().join("new-aB3xYz");
    fs::write(&left, vec![0; 1000]).expect("a file that a writer left behind");
    for number in 1..5 {
        store.put(&Key([number; 32]), &entry(1000)).expect("it is kept");
    }
    assert!(others.iter().all(|name| directory.path().join(name).exists()));
    assert!(!left.exists());
    assert!(store.take(&Key([1; 32])).is_none());
    assert!(store.take(&Key([3; 32])).is_some() && store.take(&Key([4; 32])).is_some());
}

#[test]
fn a_directory_that_is_gone_or_full_costs_only_the_entry() {
    let (directory, store) = store(1 << 20);
    directory.close().expect("it is removed");
    assert_eq!(store.take(&KEY), None);
    assert!(store.put(&KEY, &entry(10)).is_err());
}
