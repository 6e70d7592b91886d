use std::{
    io::{Read as _, Write as _},
    process::Stdio,
};

use super::*;

#[test]
fn a_process_is_known_from_its_start_to_its_end() {
    let mut child = crate::binary::command("/bin/cat");
    child.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = child.spawn().expect("cat");
    // It is started when it answers: before, the kernel may not show its arguments yet.
    child.stdin.as_mut().expect("its input").write_all(b"x").expect("a byte for it");
    child.stdout.as_mut().expect("its output").read_exact(&mut [0]).expect("its answer");
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
