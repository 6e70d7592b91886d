use std::{
    io::{Read as _, Write as _},
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, getpid};

use super::{super::processes::now, *};

/// A process in a group of its own, which ends when its input does.
fn spawn(private: &Path) -> Child {
    #[expect(clippy::disallowed_methods, reason = "processes to be ended")]
    let mut command = Command::new("cat");
    command.env("TMPDIR", private).process_group(0);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // It is started when it answers: before, the kernel may not show its environment yet.
    child.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    child
}

fn group(child: &Child, private: &Path, may_leave: bool) -> Group {
    let leader = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    Group { leader, may_leave, private: private.to_owned() }
}

fn evidence() -> Evidence {
    Evidence { session: Seen::look(getpid()).unwrap().session, gone_at: now() }
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(format!("/run/mortise-{}-{name}/1", std::process::id()))
}

fn was_killed(mut child: Child) -> bool {
    child.wait().unwrap().signal() == Some(Signal::KILL.as_raw())
}

fn lives(child: &mut Child) -> bool {
    child.try_wait().unwrap().is_none()
}

fn end(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_group_is_ended_and_no_other() {
    let (one, two) = (path("one"), path("two"));
    let ours = spawn(&one);
    let mut other = spawn(&two);
    end_groups(&[group(&ours, &one, false)], evidence());
    assert!(was_killed(ours));
    assert!(lives(&mut other));
    end(other);
}

#[test]
fn a_group_of_the_same_number_that_began_later_is_left_alone() {
    let (ours, foreign) = (path("earlier"), path("later"));
    let before = Evidence { gone_at: now() - 1, ..evidence() };
    let mut later = spawn(&foreign);
    let before = Evidence { gone_at: before.gone_at.min(started(&later) - 1), ..before };
    end_groups(&[group(&later, &ours, false)], before);
    assert!(lives(&mut later), "neither as old nor marked");
    // What a process of the group made in the last moment is marked.
    end_groups(&[group(&later, &foreign, false)], before);
    assert!(was_killed(later));
}

fn started(child: &Child) -> u64 {
    Seen::look(group(child, Path::new(""), false).leader).unwrap().started
}

#[test]
fn a_group_of_another_session_is_left_alone() {
    let private = path("session");
    let mut other = spawn(&private);
    let evidence = evidence();
    let elsewhere = Evidence { session: evidence.session + 1, ..evidence };
    end_groups(&[group(&other, &private, false)], elsewhere);
    assert!(lives(&mut other));
    end(other);
}

#[test]
fn who_left_a_group_is_known_by_the_directory() {
    let (one, ten) = (path("left"), path("left0"));
    let mut leaver = spawn(&one);
    let mut neighbour = spawn(&ten);
    let mut child = spawn(Path::new("/"));
    child.wait().unwrap(); // its input is closed first
    end_leavers(&[group(&child, &one, false)]);
    assert!(lives(&mut leaver), "a confined one cannot leave, so nobody is looked for");
    end_leavers(&[group(&child, &one, true)]);
    assert!(was_killed(leaver));
    assert!(lives(&mut neighbour));
    end(neighbour);
}
