//! What a library may do while it gets something back, what it takes out of a queue, and
//! what is not read of what it lends.

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
    start_with(worker, &compile::with(CODE, callbacks, "head()")?)
}

fn start_with(worker: &Worker, bytes: &[u8]) -> Option<Started> {
    let allow = vec![NativeAllowed::Sha256(Sha256::digest(bytes).into())];
    let settings = NativeSettings { allow, ..NativeSettings::default() };
    let load = |spec: crate::NativeSpec<'_>| BACKEND.load(spec);
    let loaded = with_spec(Path::new("p.so"), bytes, &settings, load).expect("it loads");
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

/// Reads a value as often as it may, and then takes an item out.
const TAKER: &str = r#"
static mortise_bytes text(const char *text, size_t length) {
    return (mortise_bytes){(const uint8_t *)text, length};
}
static mortise_action head(void) {
    mortise_bytes value, item;
    uint32_t version, queue;
    while (proxy->host->shared_data(proxy, text("key", 3), &value, &version) == MORTISE_OK);
    if (proxy->host->resolve_queue(proxy, text("", 0), text("items", 5), &queue) != MORTISE_OK) {
        proxy->host->register_queue(proxy, text("items", 5), &queue);
        proxy->host->enqueue(proxy, queue, text("item", 4));
    }
    switch (proxy->host->dequeue(proxy, queue, &item)) {
    case MORTISE_OK: proxy->host->log(proxy, MORTISE_INFO, item); break;
    case MORTISE_LIMIT_REACHED: proxy->host->log(proxy, MORTISE_INFO, text("full", 4)); break;
    default: proxy->host->log(proxy, MORTISE_INFO, text("lost", 4));
    }
    return MORTISE_CONTINUE;
}
"#;

#[test]
fn an_item_that_there_is_no_room_for_stays_in_its_queue() {
    let worker = Worker::new();
    let Some(bytes) = compile::with(TAKER, "", "head()") else { return };
    let Some((_factory, mut filters)) = start_with(&worker, &bytes) else { return };
    let filter = &mut filters[0];
    // First values that fill all the room, then some that leave less than the item needs.
    for (size, told) in [(1 << 20, "Info: full"), ((32 << 20) - 1, "Info: item")] {
        worker.host.shared.borrow_mut().insert(b"key".to_vec(), (vec![0; size], 1));
        drop(filter.on_request_headers(&stream(), true));
        assert_eq!(worker.host.lines.borrow().last().expect("a line"), told);
    }
}

/// Answers with what its response says that it has, and sends such a request.
const LENDER: &str = r#"
static mortise_action head(uint32_t response_size, uint32_t request_size) {
    static const mortise_field fields[3] = {
        {{(const uint8_t *)":method", 7}, {(const uint8_t *)"GET", 3}},
        {{(const uint8_t *)":path", 5}, {(const uint8_t *)"/", 1}},
        {{(const uint8_t *)":authority", 10}, {(const uint8_t *)"a", 1}},
    };
    mortise_http_request request = {.size = request_size, .fields = {fields, 3},
                                    .cluster = {(const uint8_t *)"app", 3}};
    mortise_response response = {.size = response_size, .status = 403, .grpc_status = -1};
    uint64_t call;
    mortise_status sent = proxy->host->http_call(proxy, 0, &request, &call);
    mortise_status answered = proxy->host->respond(proxy, 1, &response);
    if (sent == MORTISE_OK && answered == MORTISE_OK) return MORTISE_RESPOND;
    return sent == MORTISE_BAD_ARGUMENT && answered == MORTISE_BAD_ARGUMENT ? MORTISE_RESET
                                                                           : MORTISE_CONTINUE;
}
"#;

#[test]
fn what_a_library_lends_has_all_that_is_read_of_it() {
    let whole = "sizeof(mortise_response), sizeof(mortise_http_request)";
    let less = "sizeof(mortise_response) - 1, sizeof(mortise_http_request) - 1";
    for (sizes, is_taken) in [(whole, true), (less, false), ("0, 4", false)] {
        let worker = Worker::new();
        let answer = format!("head({sizes})");
        let Some(bytes) = compile::with(LENDER, "", &answer) else { return };
        let Some((_factory, mut filters)) = start_with(&worker, &bytes) else { return };
        let step = filters[0].on_request_headers(&stream(), true);
        let answered = matches!(step, Step::Ready(Verdict::Respond(_)));
        let refused = matches!(step, Step::Ready(Verdict::Reset));
        assert_eq!((answered, refused), (is_taken, !is_taken), "{sizes}: {step:?}");
        assert_eq!(worker.host.calls.borrow().len(), usize::from(is_taken), "{sizes}");
    }
}
