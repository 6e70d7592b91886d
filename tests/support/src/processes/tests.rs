use super::*;

#[test]
fn a_process_is_known_from_its_start_to_its_end() {
    let mut child = crate::binary::command("/bin/cat");
    let mut child = child.stdin(std::process::Stdio::piped()).spawn().expect("cat");
    let process = Process::find(child.id()).expect("it lives");
    assert!(process.lives());
    let ours = Process::find(std::process::id()).expect("this process");
    assert!(ours.children().iter().any(|one| one.id() == process.id()));
    assert!(process.open_files() >= 3);
    assert!(ours.guard().is_none());
    let like_it = Process::with_argument("/bin/cat");
    assert!(like_it.iter().any(|one| one.id() == process.id()));
    process.kill();
    child.wait().expect("its end");
    assert!(!process.lives());
    process.kill();
}

#[test]
fn nothing_lies_in_a_directory_that_is_not_there() {
    assert!(entries(Path::new("/there/is/no/such/thing")).is_empty());
}
