//! What a library may do while it gets something back.

use std::{path::Path, rc::Rc};

use host_extension::{FilterFactory, Step, StreamFilter, Verdict};
use host_types::{NativeAllowed, NativeSettings};
use sha2::{Digest, Sha256};

use crate::testing::{BACKEND, Worker, compile, stream, with_spec};

/// Writes a line at each head, and whether it was refused all else at each end.
const CODE: &str = r#"
static mortise_bytes text(const char *text, size_t length) {
    return (mortise_bytes){(const uint8_t *)text, length};
}
static mortise_action head(void) {
    proxy->host->log(proxy, MORTISE_INFO, text("head", 4));
    return MORTISE_CONTINUE;
}
static void *stream_new(void *instance, uint64_t context) {
    (void)instance; (void)context;
    return &dummy;
}
static void stream_free(void *instance, void *stream) {
    (void)instance; (void)stream;
    uint64_t now;
    mortise_response response = {.size = sizeof response, .status = 403, .grpc_status = -1};
    int refused = proxy->host->fail(proxy, text("why", 3)) == MORTISE_WRONG_PHASE
        && proxy->host->reset(proxy, 1) == MORTISE_WRONG_PHASE
        && proxy->host->respond(proxy, 1, &response) == MORTISE_WRONG_PHASE
        && proxy->host->now(proxy, &now) == MORTISE_WRONG_PHASE;
    proxy->host->log(proxy, MORTISE_INFO, refused ? text("refused", 7) : text("asked", 5));
}
"#;

/// A plugin with its filters.
type Started = (Rc<dyn FilterFactory>, Vec<Box<dyn StreamFilter>>);

/// Starts it on a worker, with the filters of three streams.
fn start(worker: &Worker) -> Option<Started> {
    let callbacks = ".stream_new = stream_new, .stream_free = stream_free,";
    let bytes = compile::with(CODE, callbacks, "head()")?;
    let allow = vec![NativeAllowed::Sha256(Sha256::digest(&bytes).into())];
    let settings = NativeSettings { allow, ..NativeSettings::default() };
    let load = |spec: crate::NativeSpec<'_>| BACKEND.load(spec);
    let loaded = with_spec(Path::new("p.so"), &bytes, &settings, load).expect("it loads");
    let factory = worker.start_loaded(&*loaded, "").expect("it starts");
    let filters = (0..3).map(|_| factory.stream_filter(&stream()).expect("a filter")).collect();
    Some((factory, filters))
}

#[test]
fn what_gives_something_back_may_only_write_to_the_log() {
    let worker = Worker::new();
    let Some((_factory, mut filters)) = start(&worker) else { return };
    drop(filters.pop());
    assert_eq!(*worker.host.lines.borrow(), ["Info: refused"]);
    // And nothing of it comes to the next one's callback.
    let step = filters[0].on_request_headers(&stream(), true);
    assert!(matches!(step, Step::Ready(Verdict::Continue)), "{step:?}");
    assert_eq!(worker.host.resets.get(), 0);
    assert_eq!(worker.faults.borrow().len(), 0);
}

#[test]
fn streams_that_end_within_a_callback_are_given_back_one_after_the_other_behind_it() {
    let worker = Worker::new();
    let Some((_factory, mut filters)) = start(&worker) else { return };
    let mut first = filters.remove(0);
    // The second one ends within the callback, the third while the second is given back.
    worker.host.ending.borrow_mut().append(&mut filters);
    let step = first.on_request_headers(&stream(), true);
    assert!(matches!(step, Step::Ready(Verdict::Continue)), "{step:?}");
    assert_eq!(*worker.host.lines.borrow(), ["Info: head", "Info: refused", "Info: refused"]);
    assert_eq!(worker.host.ending.borrow().len(), 0);
}
