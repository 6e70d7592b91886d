//! A child that hashicorp/go-plugin itself serves; skipped where Go or its modules are missing.

use std::process::ExitStatus;

use abi_process::v1::{
    Configure, Event, Hello, Ping, Reply, ToPlugin, event, plugin_client::PluginClient, reply,
};
use futures_util::{StreamExt as _, stream};

use super::*;

/// Builds it; `None`, and a line about it, where that cannot be done here.
async fn built(directory: &Path) -> Option<PathBuf> {
    let source =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/children/go-plugin");
    let program = directory.join("go-plugin-child");
    let (to, from) = (program.clone(), source.clone());
    let built = tokio::task::spawn_blocking(move || {
        #[expect(clippy::disallowed_methods, reason = "a tool of this test")]
        std::process::Command::new("go")
            .args(["build", "-buildvcs=false", "-o"])
            .arg(to)
            .arg(".")
            .current_dir(from)
            .output()
    });
    let why = match built.await.unwrap() {
        Ok(output) if output.status.success() => return Some(program),
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    println!("SKIPPED: {} cannot be built: {why}", source.display());
    None
}

fn event(kind: event::Kind) -> Event {
    Event { kind: Some(kind) }
}

/// Says hello, configures and asks for a sign of life: the answers.
async fn talk(reach: &Reach) -> Vec<Reply> {
    let stream = crate::dial::open(reach).await.unwrap();
    let channel = crate::dial::channel(stream).await.unwrap();
    let hello = Hello { versions: vec![1], generation: 5, ..Hello::default() };
    let config = br#"{"header": "x-greeting", "value": "hello"}"#.as_slice().into();
    let events = vec![
        event(event::Kind::Hello(hello)),
        event(event::Kind::Configure(Configure { instance: 1, config, ..Configure::default() })),
        event(event::Kind::Ping(Ping { number: 9 })),
    ];
    let messages = stream::iter([ToPlugin { events }]).chain(stream::pending());
    let answer = PluginClient::new(channel).session(messages).await.unwrap();
    answer.into_inner().message().await.unwrap().unwrap().replies
}

async fn serves(mutual_tls: bool) {
    let home = directory();
    let Some(program) = built(home.path()).await else { return };
    let directory = directory();
    let preparation = Preparation::new(Wanted { mutual_tls, ..wanted(directory.path()) }).unwrap();
    let mut process = Process::spawn(&program, &[], &preparation).unwrap();
    let (stdout, written) = (process.stdout(), Written::new());
    let started = preparation.start(5, process.child.id(), stdout, written.sink(), PATIENCE).await;
    let started = started.unwrap_or_else(|error| panic!("{}", story(&error)));
    assert_eq!(started.reach.tls.is_some(), mutual_tls);

    let replies = talk(&started.reach).await;
    let kinds: Vec<_> = replies.into_iter().filter_map(|reply| reply.kind).collect();
    let [reply::Kind::Hello(hello), reply::Kind::Configured(configured), reply::Kind::Pong(pong)] =
        kinds.as_slice()
    else {
        panic!("{kinds:?}")
    };
    assert_eq!((hello.version, hello.generation, pong.number), (1, 5, 9));
    assert_eq!((configured.error.as_str(), configured.phases), ("", 0b1001));
    written.until(Output::Stdout, "greets with x-greeting\n").await;
    written.until(Output::Stderr, "said on standard error\n").await;

    started.control.shut_down(PATIENCE).await;
    assert!(ended(process).await.success());
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "a socket stayed");
}

/// Waits for its end.
async fn ended(mut process: Process) -> ExitStatus {
    tokio::task::spawn_blocking(move || process.child.wait().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_child_of_go_plugin_starts_talks_and_ends() {
    serves(false).await;
}

#[tokio::test]
async fn a_child_of_go_plugin_starts_with_certificates_on_both_sides() {
    serves(true).await;
}

#[tokio::test]
async fn a_child_of_go_plugin_refuses_another_cookie() {
    let home = directory();
    let Some(program) = built(home.path()).await else { return };
    let directory = directory();
    let cookie = ("MORTISE_TEST_PLUGIN", "something else");
    let preparation = Preparation::new(Wanted { cookie, ..wanted(directory.path()) }).unwrap();
    let mut process = Process::spawn(&program, &[], &preparation).unwrap();
    let (stdout, sink) = (process.stdout(), Written::new().sink());
    let error = preparation.start(1, process.child.id(), stdout, sink, PATIENCE).await.unwrap_err();
    assert!(matches!(error, GoPluginError::EndedAtOnce), "{error:?}");
    assert_eq!(ended(process).await.code(), Some(1));
}
