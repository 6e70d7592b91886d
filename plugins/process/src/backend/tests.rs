use super::*;

#[track_caller]
fn check(said: Option<Result<(), String>>, expect: &str) {
    let (tell, told) = sync_channel(1);
    if let Some(said) = said {
        tell.send(said).unwrap();
    }
    let outcome = first_start(&told, Duration::from_millis(1));
    let text = outcome.map_or_else(
        |fault| {
            assert_eq!(fault.kind, FaultKind::LoadFailed);
            fault.to_string()
        },
        |()| "it serves".to_owned(),
    );
    assert!(text.contains(expect), "{text}");
}

#[test]
fn a_first_start_is_waited_for_and_not_for_ever() {
    check(Some(Ok(())), "it serves");
    check(Some(Err("it ended".to_owned())), "it ended");
    check(None, "nothing was heard of its start");
}

#[test]
fn a_supervisor_that_is_gone_is_no_hang() {
    let (tell, told) = sync_channel(1);
    drop(tell);
    let fault = first_start(&told, Duration::MAX).unwrap_err();
    assert!(fault.to_string().contains("is gone"), "{fault}");
}
