//! What comes of hooks.

use abi_process::v1::{self, event, reply};
use host_extension::{FaultKind, Flow, Side, Step, Verdict};

use super::*;

fn go(go: v1::Go) -> Option<v1::Verdict> {
    Some(v1::Verdict { go: go.into(), ..v1::Verdict::default() })
}

/// Answers requests' heads like this, and lets all else pass.
fn answering(change: impl Fn(v1::Answer) -> v1::Answer + Send + Sync + 'static) -> Script {
    script(move |event| match event {
        event::Kind::Headers(head) if head.side == 0 => {
            Some(vec![reply::Kind::Answer(change(answer(event)?))])
        }
        _ => None,
    })
}

#[test]
fn a_head_is_shown_changed_and_goes_on() {
    local(async {
        let changes = || vec![set("x-one", "changed"), set("bad name", "x"), set("x-two", "added")];
        let script = answering(move |answer| v1::Answer { changes: changes(), ..answer });
        let (_rig, child, factory) = Rig::serving(script).await;
        let (mut filter, stream) = filter(&factory);
        let verdict = verdict(filter.on_request_headers(&stream, true)).await;
        assert!(matches!(verdict, Verdict::Continue), "{verdict:?}");
        assert_eq!(field(&stream, "x-one").as_deref(), Some("changed"));
        assert_eq!(field(&stream, "x-two").as_deref(), Some("added"));
        let seen = child.seen();
        let head = seen.iter().find_map(|event| match event {
            event::Kind::Headers(head) => Some(head.clone()),
            _ => None,
        });
        let head = head.expect("it was shown");
        assert!(head.end);
        let fields: Vec<_> =
            head.fields.iter().map(|field| format!("{:?}={:?}", field.name, field.value)).collect();
        assert!(fields.contains(&r#"b":path"=b"/path""#.to_owned()), "{fields:?}");
        assert!(fields.contains(&r#"b"x-one"=b"first""#.to_owned()), "{fields:?}");
    });
}
