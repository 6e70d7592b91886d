//! The commands as they are typed.

use super::*;

fn parse(words: &[&str]) -> Result<Task, clap::Error> {
    let words = ["xtask"].iter().chain(words);
    Arguments::try_parse_from(words).map(|arguments| arguments.task)
}

#[test]
fn a_flag_before_the_rest_is_ours_and_the_rest_is_passed_on() {
    let task = parse(&["test", "--with-envoy", "greet", "--no-capture"]).expect("a command");
    let Task::Test { with_envoy: true, args } = task else { panic!("{task:?}") };
    assert_eq!(args, ["greet", "--no-capture"]);
    let task = parse(&["test", "--", "--ignored"]).expect("a command");
    let Task::Test { with_envoy: false, args } = task else { panic!("{task:?}") };
    assert_eq!(args, ["--ignored"]);
}

#[test]
fn a_comparison_may_be_of_one_scenario() {
    let task = parse(&["compare", "http-auth", "--built"]).expect("a command");
    assert!(matches!(task, Task::Compare { name, built: true } if name == "http-auth"));
    assert!(parse(&["compare", "a", "b"]).is_err());
}
