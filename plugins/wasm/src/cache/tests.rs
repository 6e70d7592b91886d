use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
};

use tempfile::TempDir;
use wasmtime::{Config, Engine, Instance, Store};

use super::{CacheError, Found, ModuleCache};

fn directory() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

fn open(directory: &Path) -> (ModuleCache, Engine) {
    let cache = ModuleCache::open(directory, 1 << 30).expect("a cache");
    let mut config = Config::new();
    config.cache(Some(cache.of_engine()));
    let engine = Engine::new(&config).expect("an engine");
    (cache, engine)
}

/// A module whose `f` answers with a number.
fn module(number: i32) -> Vec<u8> {
    let text = format!(r#"(module (func (export "f") (result i32) i32.const {number}))"#);
    wat::parse_str(text).expect("a module")
}

/// Loads a module and runs it.
fn run(cache: &ModuleCache, engine: &Engine, number: i32) -> (i32, Found) {
    let (module, found) = cache.compile(engine, &module(number));
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, &module.expect("a module"), &[]).expect("a guest");
    let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("a function");
    (f.call(&mut store, ()).expect("a number"), found)
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(directory).expect("a directory");
    let paths = files.map(|file| file.expect("a file").path());
    paths.filter(|path| path.extension().is_some_and(|is| is == "module")).collect()
}

#[test]
fn a_module_is_compiled_once_for_all_starts() {
    let directory = directory();
    let (cache, engine) = open(directory.path());
    assert_eq!(run(&cache, &engine, 1), (1, Found::Miss));
    assert_eq!(run(&cache, &engine, 1), (1, Found::Hit));
    assert_eq!(run(&cache, &engine, 2), (2, Found::Miss));
    drop((cache, engine));
    let (cache, engine) = open(directory.path());
    assert_eq!(run(&cache, &engine, 1), (1, Found::Hit));
    assert_eq!(run(&cache, &engine, 2), (2, Found::Hit));
}

#[test]
fn altered_code_is_never_run() {
    let directory = directory();
    let (cache, engine) = open(directory.path());
    assert_eq!(run(&cache, &engine, 1), (1, Found::Miss));
    assert_eq!(run(&cache, &engine, 2), (2, Found::Miss));
    let files = entries(directory.path());
    let [first, second] = files.as_slice() else { panic!("two entries: {files:?}") };
    // Somebody else's code under the name of ours, whole as it is, is not ours.
    let keep = fs::read(second).expect("an entry");
    fs::copy(first, second).expect("a copy");
    assert_eq!(run(&cache, &engine, 1).0, 1);
    assert_eq!(run(&cache, &engine, 2).0, 2);
    // Nor is any with a byte altered or cut off, wherever.
    for at in [0, 17, 60, keep.len() / 2, keep.len() - 1] {
        let mut altered = keep.clone();
        altered[at] ^= 0x20;
        fs::write(second, &altered).expect("an entry");
        fs::write(first, &keep[..at]).expect("an entry");
        assert_eq!(run(&cache, &engine, 1), (1, Found::Miss), "at {at}");
        assert_eq!(run(&cache, &engine, 2), (2, Found::Miss), "at {at}");
    }
    assert_eq!(run(&cache, &engine, 2), (2, Found::Hit));
}

/// The reason for all of this.
#[test]
fn the_engine_itself_runs_whatever_it_finds() {
    let directory = directory();
    let mut of_engine = wasmtime::CacheConfig::new();
    of_engine.with_directory(directory.path());
    let mut config = Config::new();
    config.cache(Some(wasmtime::Cache::new(of_engine).expect("a cache")));
    let engine = Engine::new(&config).expect("an engine");
    let answer = |number: i32| {
        let module = wasmtime::Module::new(&engine, module(number)).expect("a module");
        let mut store = Store::new(&engine, ());
        let instance = Instance::new(&mut store, &module, &[]).expect("a guest");
        let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("a function");
        f.call(&mut store, ()).expect("a number")
    };
    let files = || {
        let found = walk(&directory.path().join("modules"));
        let is_code = |path: &PathBuf| path.extension().is_none();
        found.into_iter().filter(is_code).collect::<Vec<_>>()
    };
    assert_eq!(answer(1), 1);
    let first = files().remove(0);
    assert_eq!(answer(2), 2);
    let second = files().into_iter().find(|path| *path != first).expect("another file");
    fs::copy(first, second).expect("a copy");
    assert_eq!(answer(2), 1, "should this fail, the engine checks now");
}

fn walk(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).expect("a directory").map(|one| one.expect("one").path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn the_engine_looks_only_where_nothing_is_left() {
    let directory = directory();
    let (cache, engine) = open(directory.path());
    assert_eq!(run(&cache, &engine, 1), (1, Found::Miss));
    assert!(cache.desk.made().expect("a desk").is_none());
    assert_eq!(run(&cache, &engine, 1), (1, Found::Hit));
    assert!(cache.desk.made().expect("a desk").is_none());
}

#[test]
fn processes_and_threads_share_a_directory() {
    let directory = directory();
    let load_all = || {
        let (cache, engine) = open(directory.path());
        for number in 0..5 {
            assert_eq!(run(&cache, &engine, number).0, number);
        }
    };
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(load_all);
        }
    });
    let (cache, engine) = open(directory.path());
    for number in 0..5 {
        assert_eq!(run(&cache, &engine, number), (number, Found::Hit));
    }
    assert_eq!(entries(directory.path()).len(), 5, "one for each module");
}

#[test]
fn desks_of_processes_that_are_gone_are_removed() {
    let directory = directory();
    let abandoned = directory.path().join("desk-gone");
    fs::create_dir_all(abandoned.join("engine")).expect("a directory");
    fs::write(abandoned.join("lock"), "").expect("a lock that nobody holds");
    let (cache, _engine) = open(directory.path());
    assert!(!abandoned.exists());
    // One that lives stays.
    let (_other, _engine) = open(directory.path());
    assert!(cache.desk.place().exists());
}

#[test]
fn directories_of_others_stay_whatever_they_are_called() {
    let directory = directory();
    let old = std::time::SystemTime::UNIX_EPOCH;
    let make = |name: &str, file: Option<&str>| {
        let path = directory.path().join(name);
        fs::create_dir(&path).expect("a directory");
        if let Some(file) = file {
            fs::write(path.join(file), "").expect("a file");
        }
        fs::File::open(&path).expect("a directory").set_modified(old).expect("a time");
        path
    };
    let theirs = make("desk-photos", Some("one.png"));
    let empty = make("desk-empty", None);
    drop(open(directory.path()));
    assert!(theirs.join("one.png").exists());
    assert!(!empty.exists(), "a desk whose process went before it had a lock");
}

#[test]
fn other_engines_have_code_of_their_own() {
    let directory = directory();
    let (cache, engine) = open(directory.path());
    assert_eq!(run(&cache, &engine, 1), (1, Found::Miss));
    let mut config = Config::new();
    config.cache(Some(cache.of_engine())).epoch_interruption(true);
    let other = Engine::new(&config).expect("an engine");
    assert_eq!(cache.compile(&other, &module(1)).1, Found::Miss);
    assert_eq!(cache.compile(&other, &module(1)).1, Found::Hit);
    assert_eq!(run(&cache, &engine, 1), (1, Found::Hit));
}

#[test]
fn what_cannot_be_compiled_leaves_nothing() {
    let directory = directory();
    let (cache, engine) = open(directory.path());
    assert!(cache.compile(&engine, b"\0asm\x01\0\0\0\x07\xff").0.is_err());
    assert!(entries(directory.path()).is_empty());
}

#[test]
fn a_directory_is_made_for_this_user_alone() {
    let directory = directory();
    let cache = directory.path().join("a/b");
    drop(open(&cache));
    let mode = fs::metadata(&cache).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_directory_that_others_can_write_to_is_not_used() {
    let directory = directory();
    let refused = |path: &Path| match ModuleCache::open(path, 1 << 20) {
        Err(CacheError::Exposed(at, _)) => at,
        other => panic!("expected a refusal, got {other:?}"),
    };
    let set = |path: &Path, mode| {
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
    };
    let real = fs::canonicalize(directory.path()).expect("a path");
    let inner = real.join("inner");
    fs::create_dir(&inner).expect("a directory");
    for mode in [0o777, 0o770, 0o702, 0o1777] {
        set(&inner, mode);
        assert_eq!(refused(&inner), inner, "{mode:o}");
    }
    set(&inner, 0o755);
    // Who can write above can put another one in its place; but for sticky ones.
    set(&real, 0o777);
    assert_eq!(refused(&inner), real);
    set(&real, 0o1777);
    assert!(ModuleCache::open(&inner, 1 << 20).is_ok());
}

#[test]
fn a_path_that_is_no_directory_is_refused() {
    let directory = directory();
    let file = directory.path().join("file");
    fs::write(&file, "").expect("a file");
    for path in [file.clone(), file.join("below"), PathBuf::from("/proc/nowhere")] {
        let refused = ModuleCache::open(&path, 1 << 20);
        assert!(matches!(refused, Err(CacheError::Unusable(..))), "{refused:?}");
    }
}

#[test]
fn a_directory_that_vanishes_costs_only_time() {
    let directory = directory();
    let (cache, engine) = open(directory.path());
    fs::remove_dir_all(directory.path()).expect("it is removed");
    assert_eq!(run(&cache, &engine, 1), (1, Found::Miss));
    assert_eq!(run(&cache, &engine, 1).0, 1);
}
