use std::os::unix::process::ExitStatusExt;

use super::*;

/// A process that reads nothing, in the guard's place.
fn line() -> (Line, io::PipeReader, Child) {
    let (reader, orders) = io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&orders, true).unwrap();
    #[expect(clippy::disallowed_methods, reason = "a process to be killed")]
    let child = Command::new("sleep").arg("600").spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let guard = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    (Line { orders, guard }, reader, child)
}

fn was_killed(mut child: Child) -> bool {
    child.wait().unwrap().signal() == Some(Signal::KILL.as_raw())
}

#[test]
fn a_guard_that_does_not_listen_is_killed() {
    let (line, reader, mut child) = line();
    while rustix::io::write(&line.orders, &[0; 4096]).is_ok() {}
    assert!(child.try_wait().unwrap().is_none());
    line.say(b"forget 7\0");
    assert!(was_killed(child));
    drop(reader);
}

#[test]
fn a_guard_whose_orders_nobody_can_read_is_killed() {
    let (line, reader, mut child) = line();
    line.say(b"forget 7\0");
    assert!(child.try_wait().unwrap().is_none(), "there is room");
    drop(reader);
    // What another test is just starting may hold a copy of the reader until it is started.
    while child.try_wait().unwrap().is_none() {
        line.say(b"forget 7\0");
    }
    assert!(was_killed(child));
}
