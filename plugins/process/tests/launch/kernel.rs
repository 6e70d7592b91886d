//! Kernels that lack something: a filter of system calls stands for them, in a process of its own.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, ExitCode},
};

use plugins_process::facts;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter};

use crate::support::{Place, child, pid};

/// A proxy on such a kernel: tells how the plugin loads that it is named.
pub(crate) fn lacking(arguments: &[String]) -> ExitCode {
    let call = if arguments[1] == "landlock" {
        libc::SYS_landlock_create_ruleset
    } else {
        libc::SYS_seccomp
    };
    let filter = SeccompFilter::new(
        BTreeMap::from([(call, vec![])]),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::ENOSYS.unsigned_abs()),
        TargetArch::try_from(std::env::consts::ARCH).unwrap(),
    );
    let program: BpfProgram = filter.unwrap().try_into().unwrap();
    apply_filter(&program).unwrap();
    let facts = facts();
    let mut settings = child("good");
    settings.sandbox.may_lack_files = arguments[2].contains("files");
    settings.sandbox.may_lack_network = arguments[2].contains("network");
    let place = Place::new();
    match place.load(&place.program(), &settings) {
        Ok(loaded) => println!("it serves as {}; {facts:?}", pid(&loaded)),
        Err(fault) => println!("{fault}; {facts:?}"),
    }
    ExitCode::SUCCESS
}

fn said(lacks: &str, allows: &str) -> String {
    #[expect(clippy::disallowed_methods, reason = "a proxy with another kernel")]
    let mut command = Command::new(Path::new("/proc/self/exe"));
    let output = command.arg("lacking").arg(lacks).arg(allows).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn one_that_lacks_something_is_named() {
    let here = facts();
    assert!(here.landlock && here.seccomp, "the tests need a kernel that has both: {here:?}");
    let cases = [
        ("landlock", "files", "network", "landlock: false, seccomp: true"),
        ("seccomp", "network", "files", "landlock: true, seccomp: false"),
    ];
    for (lacks, word, other, facts) in cases {
        for allowed in ["nothing", other] {
            let text = said(lacks, allowed);
            let advice = format!("`allow_unenforced: [{word}]`");
            assert!(text.contains(&advice) && text.contains("this kernel"), "{text}");
            assert!(text.contains(facts), "{text}");
        }
        let text = said(lacks, word);
        assert!(text.contains("it serves as"), "{text}");
    }
}
