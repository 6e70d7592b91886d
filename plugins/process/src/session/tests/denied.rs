//! What a child may not do, and what becomes of it.

use abi_process::v1::{self, act, call, event, reply};
use host_extension::{Capability, FaultKind, Flow, Side, Verdict};

use super::*;

fn is_head(event: &event::Kind) -> bool {
    matches!(event, event::Kind::Headers(_))
}

/// A child that answers heads with this verdict.
fn says(go: v1::Go) -> Script {
    script(move |event| {
        let answer = answer(event).filter(|_| is_head(event))?;
        let response = v1::Response { status: 403, ..v1::Response::default() };
        let verdict =
            v1::Verdict { go: go.into(), response: Some(response), ..v1::Verdict::default() };
        Some(vec![reply::Kind::Answer(v1::Answer { verdict: Some(verdict), ..answer })])
    })
}

fn pieces(child: &FakeChild) -> Vec<(usize, u64)> {
    let pieces = child.seen().into_iter().filter_map(|event| match event {
        event::Kind::Body(it) => Some((it.bytes.len(), it.held)),
        event::Kind::Data(it) => Some((it.bytes.len(), it.held)),
        _ => None,
    });
    pieces.collect()
}

#[test]
fn a_verdict_that_is_not_allowed_fails_the_stream_alone() {
    let cases = [
        (v1::Go::Respond, Capability::Reply, "`reply`"),
        (v1::Go::Reset, Capability::Close, "`close`"),
    ];
    for (go, what, word) in cases {
        local(async move {
            let (rig, _child, factory) = Rig::serving(says(go)).await;
            rig.host.denied.replace(vec![what]);
            let (mut first, one) = filter(&factory);
            let fault = fault(verdict(first.on_request_headers(&one, true)).await);
            assert_eq!(fault.kind, FaultKind::Denied);
            assert!(fault.message.contains(word), "{fault}");
            assert_eq!(*rig.host.denials.borrow(), [what]);
            assert!(rig.faults.borrow().is_empty(), "the instance is well");
            // Another permission than the one that it takes changes nothing.
            rig.host.denied.replace(vec![Capability::Route]);
            let (mut second, other) = filter(&factory);
            let verdict = verdict(second.on_request_headers(&other, true)).await;
            assert!(matches!(verdict, Verdict::Respond(_) | Verdict::Reset), "{verdict:?}");
        });
    }
}

#[test]
fn who_ends_a_waiting_stream_without_a_permission_does_not_leave_it_waiting() {
    let response = v1::Response { status: 403, ..v1::Response::default() };
    let cases = [
        (act::Kind::Respond(response), Capability::Reply),
        (act::Kind::Reset(true), Capability::Close),
        (act::Kind::Close(true), Capability::Close),
    ];
    for (kind, what) in cases {
        local(async move {
            let (rig, child, factory) = Rig::serving(says(v1::Go::Pause)).await;
            rig.host.denied.replace(vec![what]);
            let (mut filter, stream) = filter(&factory);
            let waiting = verdict(filter.on_request_headers(&stream, true));
            let ending = async {
                child.until(is_head).await;
                let context = child.seen().iter().find_map(answer).expect("a head").context;
                let kind = Some(kind);
                let act = v1::Act { generation: 1, context, kind, ..v1::Act::default() };
                child.say([reply::Kind::Act(act)]);
            };
            let (verdict, ()) = tokio::join!(waiting, ending);
            assert_eq!(fault(verdict).kind, FaultKind::Denied);
            assert_eq!(*rig.host.denials.borrow(), [what]);
            assert!(rig.host.replies.borrow().is_empty() && rig.host.resets.get() == 0);
            open_response(&stream);
            let passed = super::verdict(filter.on_response_trailers(&stream)).await;
            assert!(matches!(passed, Verdict::Continue), "the rest goes on: {passed:?}");
        });
    }
}

#[test]
fn events_carry_nothing_that_may_not_be_read() {
    local(async {
        let is_body = |event: &event::Kind| matches!(event, event::Kind::Body(_));
        let script = script(move |event| {
            let answer = answer(event).filter(|_| is_body(event))?;
            let go = v1::Go::Pause.into();
            let verdict = Some(v1::Verdict { go, ..v1::Verdict::default() });
            let kind = Some(v1::change::Kind::Body(splice(u64::MAX, 0, "+")));
            let changes = vec![v1::Change { kind }];
            Some(vec![reply::Kind::Answer(v1::Answer { changes, verdict, ..answer })])
        });
        let (rig, child, factory) = Rig::serving(script).await;
        rig.host.denied.replace(vec![
            Capability::HeadersRequestRead,
            Capability::BodyRequestRead,
            Capability::TcpDownstreamRead,
        ]);
        let (mut stream_filter, stream) = filter(&factory);
        let passed = verdict(stream_filter.on_request_headers(&stream, false)).await;
        assert!(matches!(passed, Verdict::Continue), "{passed:?}");
        hand(&stream, Side::Request, "secret");
        let held = verdict(stream_filter.on_request_body(&stream, false)).await;
        assert!(matches!(held, Verdict::HoldUntil(_)), "what is not seen can be held: {held:?}");
        hand(&stream, Side::Request, "more");
        let _held = verdict(stream_filter.on_request_body(&stream, false)).await;
        assert_eq!(in_hand(&stream, Side::Request), "secret+more+", "and changed");
        let (mut network_filter, connection) = network(&factory);
        connection.flow(Flow::Downstream).bytes.borrow_mut().push(&"bytes".into());
        let _passed = verdict(network_filter.on_data(&connection, Flow::Downstream, false)).await;
        assert_eq!(pieces(&child), [(0, 0); 3]);
        let seen = child.seen();
        let head = seen.iter().find_map(|event| match event {
            event::Kind::Headers(head) => Some(head.fields.len()),
            _ => None,
        });
        assert_eq!(head, Some(0));
        // Being shown counts as reading, once for each section, body and direction.
        let denials = rig.host.denials.borrow();
        let count = |what| denials.iter().filter(|one| **one == what).count();
        assert_eq!(count(Capability::HeadersRequestRead), 1, "{denials:?}");
        assert_eq!(count(Capability::BodyRequestRead), 1, "{denials:?}");
        assert_eq!(count(Capability::TcpDownstreamRead), 1, "{denials:?}");
    });
}

#[test]
fn a_denied_change_is_left_out_alone_and_a_call_says_so() {
    local(async {
        let script = script(|event| {
            let answer = answer(event).filter(|_| is_head(event))?;
            let kind = Some(call::Kind::Change(set("x-two", "asked")));
            let (generation, context) = (1, answer.context);
            let call = v1::Call { generation, id: 9, context, kind, ..v1::Call::default() };
            let changes = vec![set("x-one", "changed")];
            let answer = v1::Answer { changes, ..answer };
            Some(vec![reply::Kind::Call(call), reply::Kind::Answer(answer)])
        });
        let (rig, child, factory) = Rig::serving(script).await;
        rig.host.denied.replace(vec![Capability::HeadersRequestWrite]);
        let (mut filter, stream) = filter(&factory);
        let passed = verdict(filter.on_request_headers(&stream, true)).await;
        assert!(matches!(passed, Verdict::Continue), "{passed:?}");
        assert_eq!(field(&stream, "x-one").as_deref(), Some("first"));
        assert_eq!(*rig.host.denials.borrow(), [Capability::HeadersRequestWrite; 2]);
        let is_result = |event: &event::Kind| matches!(event, event::Kind::CallResult(_));
        child.until(is_result).await;
        let statuses = child.seen().into_iter().find_map(|event| match event {
            event::Kind::CallResult(it) => Some(it.status()),
            _ => None,
        });
        assert_eq!(statuses, Some(v1::Status::Denied));
    });
}
