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
    assert!(recorder.left_out().is_empty());
}

#[test]
fn all_of_a_capability_covers_its_names_and_the_own_namespace_no_other() {
    let recorder = Recorder::default();
    recorder.note(Access::to(Capability::HeadersRequestRead, b"x-a"));
    recorder.note_all(Capability::HeadersRequestRead);
    recorder.note(Access::to(Capability::Queues, b"other"));
    recorder.note_all(Capability::Queues);
    assert_eq!(grants(&recorder), ["headers.request.read", "queues", "queues:other"]);
}

#[test]
fn a_name_that_no_grant_can_have_widens_nothing_and_is_told() {
    let recorder = Recorder::default();
    for name in [&b"*"[..], b"a*", b"a b", b"", b"\xff", &[b'a'; 300]] {
        recorder.note(Access::to(Capability::HttpCall, name));
        recorder.note(Access::to(Capability::HeadersRequestRead, name));
    }
    recorder.note(Access::to(Capability::HttpCall, b"auth"));
    assert_eq!(grants(&recorder), ["http_call:auth"]);
    let expect = [Capability::HeadersRequestRead, Capability::HttpCall].map(LeftOut::Unnameable);
    assert_eq!(recorder.left_out(), expect);
    assert_eq!(
        recorder.left_out()[1].to_string(),
        "`http_call` was used with names that no grant can have: look at what the plugin does \
         before granting it"
    );
}

#[test]
fn too_many_names_widen_nothing_either() {
    let recorder = Recorder::default();
    for number in 0..2 * GRANTS_MAX {
        recorder.note(Access::to(Capability::HttpCall, number.to_string().as_bytes()));
    }
    recorder.note(Access::whole(Capability::Log));
    assert_eq!(recorder.grants().len(), GRANTS_MAX + 1);
    assert!(grants(&recorder).iter().all(|grant| !grant.contains('*')));
    assert_eq!(recorder.left_out(), [LeftOut::TooMany(Capability::HttpCall)]);
}
