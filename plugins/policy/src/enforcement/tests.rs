use super::*;

const GOOD: KernelFacts = KernelFacts {
    landlock: true,
    seccomp: true,
    cgroup_memory: true,
    cgroup_cpu: true,
    counts_processes: true,
};
const BARE: KernelFacts = KernelFacts {
    landlock: false,
    seccomp: false,
    cgroup_memory: false,
    cgroup_cpu: false,
    counts_processes: false,
};
const CONFINED: Runs = Runs::Child { confined: true };
const FREE: Runs = Runs::Child { confined: false };

fn stating(stated: &[Restriction]) -> Policy {
    Policy { stated: stated.to_vec(), ..Policy::default() }
}

/// The words of what does not hold where everything is stated.
#[track_caller]
fn check(runs: Runs, kernel: KernelFacts, expect: &[&str]) {
    let found = Enforcement { runs, kernel }.unenforced(&stating(&Restriction::ALL), &[]);
    let words: Vec<_> = found.iter().map(|one| one.restriction.word()).collect();
    assert_eq!(words, expect, "{runs:?} on {kernel:?}");
}

#[test]
fn what_holds_depends_on_how_a_plugin_runs_and_on_the_kernel() {
    check(Runs::Wasm, BARE, &[]);
    check(CONFINED, GOOD, &["cpu_per_call", "clock", "random"]);
    check(
        CONFINED,
        BARE,
        &["memory", "cpu", "cpu_per_call", "files", "network", "processes", "clock", "random"],
    );
    let mut all_but_table =
        vec!["memory", "cpu", "cpu_per_call", "files", "network", "processes", "clock", "random"];
    check(FREE, GOOD, &all_but_table);
    all_but_table.push("environment");
    check(Runs::InProxy, GOOD, &all_but_table);
}

#[test]
fn a_sandbox_states_files_and_network_and_a_denial_states_itself() {
    let words = |runs, policy: &Policy| -> Vec<_> {
        let found = Enforcement { runs, kernel: BARE }.unenforced(policy, &[]);
        found.into_iter().map(|one| one.restriction.word()).collect()
    };
    assert_eq!(words(CONFINED, &Policy::default()), ["files", "network"]);
    assert!(words(FREE, &Policy::default()).is_empty());
    assert!(words(Runs::InProxy, &Policy::default()).is_empty());
    let denials = ["clock", "random"].map(|text| text.parse().unwrap()).to_vec();
    let denying = Policy { denials, ..Policy::default() };
    assert_eq!(words(Runs::InProxy, &denying), ["clock", "random"]);
    assert!(words(Runs::Wasm, &denying).is_empty());
}

#[test]
fn a_denial_of_files_or_of_the_environment_states_it() {
    let denials = ["files.read:/etc/passwd", "environment"];
    let words = |runs| -> Vec<_> {
        let denials = denials.map(|text| text.parse().unwrap()).to_vec();
        let denying = Policy { denials, ..Policy::default() };
        let found = Enforcement { runs, kernel: GOOD }.unenforced(&denying, &[]);
        found.into_iter().map(|one| one.restriction.word()).collect()
    };
    assert_eq!(words(Runs::InProxy), ["files", "environment"]);
    // The environment of a child is empty, with a sandbox or without.
    assert_eq!(words(FREE), ["files"]);
    assert!(words(CONFINED).is_empty());
    assert!(words(Runs::Wasm).is_empty());
}

#[test]
fn a_load_is_refused_with_the_reason_unless_the_policy_lets_it() {
    let native = Enforcement { runs: Runs::InProxy, kernel: GOOD };
    let strict = stating(&[Restriction::Memory]);
    let refused = native.check(&strict, &[]).unwrap_err().to_string();
    assert_eq!(
        refused,
        "the restriction `memory` cannot be enforced: a library in the proxy's own process does \
         what the proxy may do; run it in a child (`native: { run_in: runner }`), or as Wasm, or \
         say `allow_unenforced: [memory]`"
    );
    let lax = Policy { allow_unenforced: vec![Restriction::Memory], ..strict };
    let allowed = native.check(&lax, &[]).unwrap();
    assert_eq!(allowed.len(), 1);
    assert!(!allowed[0].to_string().contains("allow_unenforced"));
    assert!(native.check(&Policy::default(), &[]).unwrap().is_empty());
}

#[test]
fn what_holds_is_said_without_a_policy_too() {
    let child = Enforcement { runs: CONFINED, kernel: GOOD };
    assert!(child.holds(Restriction::Memory) && child.holds(Restriction::Files));
    assert!(child.holds(Restriction::Cpu) && !child.holds(Restriction::CpuPerCall));
    assert!(!child.holds(Restriction::Clock));
}

#[test]
fn what_is_advised_for_processes_is_what_counts_them() {
    let bare = Enforcement { runs: CONFINED, kernel: BARE };
    let found = bare.unenforced(&stating(&[Restriction::Processes]), &[]);
    let processes = found.iter().find(|one| one.restriction == Restriction::Processes);
    let line = processes.expect("it does not hold").to_string();
    assert!(line.contains("`pids`") && !line.contains("user"), "{line}");
    let counting = KernelFacts { counts_processes: true, ..BARE };
    assert!(Enforcement { runs: CONFINED, kernel: counting }.holds(Restriction::Processes));
}

#[test]
fn memory_of_a_child_is_held_by_a_cgroup_alone() {
    let none = KernelFacts { cgroup_memory: false, ..GOOD };
    let child = Enforcement { runs: CONFINED, kernel: none };
    let refused = child.check(&stating(&[Restriction::Memory]), &[]).unwrap_err().to_string();
    for word in
        ["only the private memory of each process", "`memory`", "allow_unenforced: [memory]"]
    {
        assert!(refused.contains(word), "{refused}");
    }
    assert!(child.check(&Policy::default(), &[]).unwrap().is_empty(), "nobody stated it");
    assert!(Enforcement { kernel: GOOD, ..child }.holds(Restriction::Memory));
}

#[test]
fn a_denial_of_what_each_child_can_read_refuses_it() {
    let child = Enforcement { runs: CONFINED, kernel: GOOD };
    let denying = |permission: &str| {
        let denials = vec![permission.parse().unwrap()];
        Policy { denials, ..Policy::default() }
    };
    let own = [Path::new("/srv/greet")];
    for vain in ["files.read", "files.read:/usr/lib/os-release", "files.read:/srv/greet/secret"] {
        let refused = child.check(&denying(vain), &own).unwrap_err().to_string();
        assert!(refused.contains("`files`") && refused.contains("its own directory"), "{refused}");
        let allow_unenforced = vec![Restriction::Files];
        let lax = Policy { allow_unenforced, ..denying(vain) };
        assert_eq!(child.check(&lax, &own).unwrap().len(), 1);
        let wasm = Enforcement { runs: Runs::Wasm, ..child };
        assert!(wasm.check(&denying(vain), &own).unwrap().is_empty());
    }
    assert!(child.check(&denying("files.read:/etc/passwd"), &own).unwrap().is_empty());
}
