//! From a start to an end, whoever comes to it first.

use std::{fs, time::Duration};

use host_types::{ProcessSettings, RestartSettings, Transport};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    Place, child, children, condition, directories, lives, now, open_files, pid, until,
};

pub(crate) fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

pub(crate) fn a_child_serves_and_leaves_nothing() {
    let place = Place::new();
    // What is made once and stays: the launcher's thread has its queue, the first look at memory.
    drop(place.load(&place.program(), &child("good")).unwrap());
    drop(place);
    let before = open_files();
    let place = Place::new();
    let loaded = place.load(&place.program(), &child("good")).unwrap();
    let serves = condition(&loaded);
    assert_eq!((serves.state, serves.restarts), ("ready", 0));
    let pid = pid(&loaded);
    assert!(lives(pid));
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    assert_eq!(name, "plugin\n", "the artifact's name");
    assert_eq!(directories().len(), 1);
    drop(loaded);
    drop(place);
    assert!(!lives(pid));
    assert_eq!((children(), directories()), (vec![], vec![]));
    assert_eq!(open_files(), before);
}

pub(crate) fn a_child_serves_over_tcp() {
    let place = Place::new();
    let settings = ProcessSettings { transport: Transport::Tcp, ..child("good") };
    let loaded = place.load(&place.program(), &settings).unwrap();
    assert_eq!(condition(&loaded).state, "ready");
}

pub(crate) fn a_child_that_dies_is_started_again() {
    let place = Place::new();
    let restart =
        RestartSettings { backoff: Duration::from_millis(5), ..RestartSettings::default() };
    let settings = ProcessSettings { restart, ..child("good") };
    let loaded = place.load(&place.program(), &settings).unwrap();
    for restarts in 1..4 {
        let before = pid(&loaded);
        kill(before);
        until("it serves again", || {
            let now = condition(&loaded);
            now.state == "ready" && now.restarts == restarts && now.pid != Some(before)
        });
    }
    assert_eq!(directories().len(), 1);
    let inside = fs::read_dir(&directories()[0]).unwrap().count();
    assert_eq!(inside, 2, "the lock, and the directory of the child that lives");
}

pub(crate) fn a_child_that_dies_too_often_is_given_up() {
    let place = Place::new();
    let restart = RestartSettings {
        crashes_max: 1,
        backoff: Duration::from_millis(1),
        ..RestartSettings::default()
    };
    let settings = ProcessSettings { restart, ..child("good") };
    let loaded = place.load(&place.program(), &settings).unwrap();
    for _death in 0..2 {
        until("it serves", || condition(&loaded).state == "ready");
        kill(pid(&loaded));
        until("it was noticed", || condition(&loaded).state != "ready");
    }
    until("it is given up", || condition(&loaded).state == "tripped");
    let story = condition(&loaded).story;
    assert!(story.contains("it ended by SIGKILL"), "{story}");
    assert!(story.contains("its last lines: serves greet at"), "{story}");
    assert!(story.contains("it ended 2 times within 300s and is not started again"), "{story}");
    assert_eq!(children(), Vec::<u32>::new());
}

pub(crate) fn a_stubborn_child_is_killed() {
    let place = Place::new();
    place.program();
    let script = place.script("#!/bin/sh\ntrap '' TERM\nexec ./plugin child stubborn\n");
    let loaded = place.load(&script, &child("")).unwrap();
    let pid = pid(&loaded);
    let begun = now();
    drop(loaded);
    drop(place);
    assert!(!lives(pid));
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

pub(crate) fn a_script_that_changed_is_not_started() {
    let place = Place::new();
    place.program();
    let script = place.script("#!/bin/sh\nexec ./plugin child good\n");
    let loaded = place.load(&script, &child("")).unwrap();
    place.script("#!/bin/sh\nexec ./plugin child other\n");
    kill(pid(&loaded));
    until("it is given up", || condition(&loaded).state == "tripped");
    let story = condition(&loaded).story;
    assert!(story.contains("is not the one that was loaded"), "{story}");
}

pub(crate) fn what_a_child_nests_is_removed() {
    let place = Place::new();
    let text = place.load(&place.program(), &child("deep")).unwrap_err().to_string();
    assert!(text.contains("exit code 11 "), "{text}");
    until("its directories are removed", || directories().is_empty());
}
