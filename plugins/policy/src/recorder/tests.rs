use super::*;

fn grants(recorder: &Recorder) -> Vec<String> {
    recorder.grants().iter().map(ToString::to_string).collect()
}

#[test]
fn what_was_done_becomes_the_grants_for_it_once() {
    let recorder = Recorder::default();
    for _again in 0..3 {
        recorder.note(Access::whole(Capability::Log));
        recorder.note(Access::to(Capability::HeadersRequestWrite, b"X-A"));
    }
    assert_eq!(grants(&recorder), ["headers.request.write:x-a", "log"]);
}

#[test]
fn names_that_no_pattern_can_name_and_too_many_names_become_all() {
    let recorder = Recorder::default();
    recorder.note(Access::to(Capability::Foreign, b"a b"));
    assert_eq!(grants(&recorder), ["foreign:*"]);
    for number in 0..2 * NAMES_MAX {
        recorder.note(Access::to(Capability::HttpCall, number.to_string().as_bytes()));
    }
    assert!(grants(&recorder).len() <= NAMES_MAX + 1);
    assert!(grants(&recorder).contains(&"http_call:*".to_owned()));
}
