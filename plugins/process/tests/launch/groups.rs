//! Children in control groups, where this machine lets the proxy make some.

use std::{fs, path::Path, time::Duration};

use host_types::PluginLimits;
use plugins_process::facts;

use crate::support::{Place, child, groups_of, until};

fn skipped(what: &str) {
    println!("SKIPPED: this machine lets nobody limit {what} by a control group");
}

/// The program as which this child ended, and its last lines.
fn said(text: &str, settings: &host_types::ProcessSettings, limits: &PluginLimits) -> String {
    let place = Place::new();
    let loaded = place.load_within(&place.script(text), settings, limits);
    loaded.unwrap_err().to_string()
}

pub(crate) fn a_child_is_in_one_and_leaves_none() {
    let facts = facts();
    if !facts.counts_processes && !facts.cgroup_cpu {
        return skipped("anything");
    }
    let text = "#!/bin/sh\nwhile read line; do case $line in *mortise-*) exit 40;; esac; done \
                < /proc/self/cgroup\nexit 41\n";
    let own = child("");
    assert!(said(text, &own, &PluginLimits::default()).contains("exit code 40 "));
    until("its groups are gone", || groups_of(std::process::id()).is_empty());
    // One that serves has one until it is let go.
    let place = Place::new();
    let loaded = place.load(&place.program(), &child("good")).unwrap();
    let there = groups_of(std::process::id());
    assert!(!there.is_empty());
    let pid = crate::support::pid(&loaded).to_string();
    for group in there {
        let members = fs::read_to_string(group.join("cgroup.procs")).unwrap();
        assert_eq!(members.trim(), pid, "{}", group.display());
    }
    drop(loaded);
    until("its groups are gone, too", || groups_of(std::process::id()).is_empty());
    // Who is not confined is in none.
    let mut free = child("");
    free.sandbox.enabled = false;
    assert!(said(text, &free, &PluginLimits::default()).contains("exit code 41 "));
}

pub(crate) fn processes_are_limited_by_the_group() {
    if !facts().counts_processes {
        return skipped("processes");
    }
    let text = |count: u32| {
        format!(
            "#!/bin/sh\nif (i=0; while [ $i -lt {count} ]; do sleep 60 & i=$((i + 1)); done); \
             then exit 40; else exit 41; fi\n"
        )
    };
    let mut settings = child("");
    settings.sandbox.processes_max = 20;
    let limits = PluginLimits::default();
    assert!(said(&text(12), &settings, &limits).contains("exit code 40 "));
    let refused = said(&text(30), &settings, &limits);
    assert!(refused.contains("exit code 41 ") && refused.contains("fork"), "{refused}");
    until("all that it started is gone", || groups_of(std::process::id()).is_empty());
}

pub(crate) fn processor_time_is_limited_by_the_group() {
    if !facts().cgroup_cpu {
        return skipped("processor time");
    }
    let text =
        "#!/bin/sh\ntimeout --foreground 2 sh -c 'while :; do :; done'\ntimes >&2\nexit 40\n";
    let limits =
        PluginLimits { cpu_per_second: Some(Duration::from_millis(50)), ..PluginLimits::default() };
    let text = said(text, &child(""), &limits);
    let spent = text.rsplit("0m").nth(1).and_then(|time| time.split('s').next()).unwrap();
    let spent: f64 = spent.parse().unwrap();
    // A twentieth of two seconds, where an hour of the machine's load changes nothing.
    assert!(spent < 0.4, "{spent} of {text}");
}

pub(crate) fn memory_is_limited_by_the_group() {
    let own = groups_with("memory.max").or_else(|| groups_with("memory.limit_in_bytes"));
    let Some((_child, limit)) = own else { return skipped("memory") };
    assert_eq!(limit, 64 << 20);
}

/// A child whose group has this limit, and how much it is.
fn groups_with(file: &str) -> Option<(Place, u64)> {
    let place = Place::new();
    let mut settings = child("good");
    settings.sandbox.memory_bytes_max = 64 << 20;
    let loaded = place.load(&place.program(), &settings).unwrap();
    let groups = groups_of(std::process::id());
    let found =
        groups.iter().find_map(|group| fs::read_to_string(Path::new(group).join(file)).ok());
    drop(loaded);
    Some((place, found?.trim().parse().unwrap()))
}
