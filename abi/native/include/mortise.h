/*
 * mortise.h: the contract of native plugins, version 1.1.
 *
 * A plugin is a shared library that defines
 *
 *     const mortise_plugin *mortise_plugin_entry(const mortise_host *host);
 *     MORTISE_PLUGIN_ABI;
 *
 * The proxy reads the second without running anything of the library, then loads it, calls the
 * first once and keeps the table that it answers with. The library is never unloaded; a newer
 * version of it is loaded beside it.
 *
 * An *instance* is the plugin started for one use of it on one worker of the proxy. A *context*
 * is one stream (a request with its response), one connection, or one codec of an instance: a
 * protocol on one connection of a client or to an upstream. Everything of an instance is called on one thread, one callback after the other. Instances of other workers
 * and other uses run at the same time: what they share is the plugin's own to guard.
 *
 * Rules:
 * - Both tables only grow at their ends. Who gets one looks at `size` before it reads a field
 *   that is newer than version 1.0; see MORTISE_HAS.
 * - No exception, panic or longjmp leaves a function of the plugin.
 * - Bytes given to a function are borrowed for that call. Bytes that the proxy gives back by a
 *   call, and those given to a callback, may be read until that callback returns.
 * - A call is made from within a callback of the instance that it names, on that thread. During
 *   `instance_new` there are no contexts yet. From `instance_free` and the other `_free`
 *   functions nothing is called but `log`, which a runner does not hear there; all else says
 *   WRONG_PHASE.
 * - From the callbacks of codecs a plugin in a runner calls nothing but `fail` and what is there
 *   for codecs; all else says WRONG_PHASE. In the proxy it may ask, but not with `http_call` for a
 *   codec: BAD_ARGUMENT.
 * - Text is UTF-8. It has a length and no NUL at its end.
 * - Callbacks return soon. Nothing else of the worker runs meanwhile.
 *
 * No library of its own and no other header are needed.
 */
#ifndef MORTISE_H
#define MORTISE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MORTISE_ABI_MAJOR 1
#define MORTISE_ABI_MINOR 1 /* codecs are of version 1.1 */

#if defined(__GNUC__) || defined(__clang__)
#define MORTISE_EXPORT __attribute__((visibility("default")))
#else
#define MORTISE_EXPORT
#endif

/* True where a table is long enough to have a field. */
#define MORTISE_HAS(table, type, field) \
    ((table)->size >= offsetof(type, field) + sizeof(((const type *)0)->field))

/* ---- what stands in the file ------------------------------------------------------------ */

/* Says which version a library was built for. */
typedef struct mortise_abi {
    uint8_t magic[8]; /* "MORTISE" and a NUL */
    uint16_t major;
    uint16_t minor;
    uint32_t kind; /* MORTISE_KIND_C */
} mortise_abi;

enum { MORTISE_KIND_C = 1, MORTISE_KIND_RUST = 2 };

MORTISE_EXPORT extern const mortise_abi mortise_plugin_abi;

#define MORTISE_PLUGIN_ABI                                                                      \
    const mortise_abi mortise_plugin_abi = {{'M', 'O', 'R', 'T', 'I', 'S', 'E', 0},             \
                                            MORTISE_ABI_MAJOR,                                  \
                                            MORTISE_ABI_MINOR,                                  \
                                            MORTISE_KIND_C}

/* ---- values ----------------------------------------------------------------------------- */

/* Bytes of somebody else. `data` may be null where `length` is 0. */
typedef struct mortise_bytes {
    const uint8_t *data;
    size_t length;
} mortise_bytes;

/* A name with its value. Names of fields are in lower case; pseudo-header fields (`:path`) are
 * in front. */
typedef struct mortise_field {
    mortise_bytes name;
    mortise_bytes value;
} mortise_field;

/* Fields, in order. `data` may be null where `count` is 0. */
typedef struct mortise_fields {
    const mortise_field *data;
    size_t count;
} mortise_fields;

/* Why a call was not carried out. Numbers that are not known are failures, too. */
typedef uint32_t mortise_status;
enum {
    MORTISE_OK = 0,
    MORTISE_NOT_FOUND = 1,
    MORTISE_BAD_ARGUMENT = 2,
    MORTISE_WRONG_PHASE = 3,
    MORTISE_DENIED = 4,
    MORTISE_LIMIT_REACHED = 5,
    MORTISE_UNSUPPORTED = 6,
    MORTISE_CONFLICT = 7,
    MORTISE_EMPTY = 8
};

/* What a callback answers. */
typedef uint32_t mortise_action;
enum {
    MORTISE_CONTINUE = 0,
    /* Wait. A head, trailers or a new connection wait for `resume`; a body or data are kept, and
     * come again with more, or go on with `resume`. */
    MORTISE_PAUSE = 1,
    /* The client is answered with what `respond` was given in this callback. Where that was
     * MORTISE_DENIED, the stream fails and the instance lives on; as with MORTISE_RESET. */
    MORTISE_RESPOND = 2,
    /* Break the stream off, or close the connection. */
    MORTISE_RESET = 3,
    /* The instance failed; `fail` said why. It is called no more, but for its `_free`
     * functions. */
    MORTISE_FAILED = 4
};

enum {
    MORTISE_REQUEST_HEADERS = 0,
    MORTISE_REQUEST_TRAILERS = 1,
    MORTISE_RESPONSE_HEADERS = 2,
    MORTISE_RESPONSE_TRAILERS = 3
}; /* sections */

enum { MORTISE_REQUEST = 0, MORTISE_RESPONSE = 1 };    /* sides of a stream */
enum { MORTISE_DOWNSTREAM = 0, MORTISE_UPSTREAM = 1 }; /* flows of a connection: the client's bytes, those for it */
enum { MORTISE_PEER_UNKNOWN = 0, MORTISE_PEER_LOCAL = 1, MORTISE_PEER_REMOTE = 2 };
enum { MORTISE_SET = 0, MORTISE_ADD = 1, MORTISE_REMOVE = 2 }; /* changes of a field */
enum { MORTISE_COUNTER = 0, MORTISE_GAUGE = 1, MORTISE_HISTOGRAM = 2 };
enum {
    MORTISE_TRACE = 0,
    MORTISE_DEBUG = 1,
    MORTISE_INFO = 2,
    MORTISE_WARN = 3,
    MORTISE_ERROR = 4,
    MORTISE_CRITICAL = 5
}; /* levels of the log */

/* The callbacks that a plugin wants, a bit each. Nothing else is called. */
enum {
    MORTISE_PHASE_REQUEST_HEADERS = 1 << 0,
    MORTISE_PHASE_REQUEST_BODY = 1 << 1,
    MORTISE_PHASE_REQUEST_TRAILERS = 1 << 2,
    MORTISE_PHASE_RESPONSE_HEADERS = 1 << 3,
    MORTISE_PHASE_RESPONSE_BODY = 1 << 4,
    MORTISE_PHASE_RESPONSE_TRAILERS = 1 << 5,
    MORTISE_PHASE_LOG = 1 << 6, /* stream_complete, connection_complete */
    MORTISE_PHASE_NEW_CONNECTION = 1 << 7,
    MORTISE_PHASE_DOWNSTREAM_DATA = 1 << 8,
    MORTISE_PHASE_UPSTREAM_DATA = 1 << 9,
    MORTISE_PHASE_CLOSE = 1 << 10
};

/* A whole response that a plugin makes. */
typedef struct mortise_response {
    uint32_t size; /* sizeof(mortise_response); BAD_ARGUMENT for less */
    uint32_t status; /* 200 to 599 */
    mortise_fields fields; /* framing fields are the proxy's */
    mortise_bytes body;
    int32_t grpc_status; /* for a client that asked in gRPC; negative: the counterpart of `status` */
    uint32_t reserved; /* 0 */
    mortise_bytes details; /* for the access log */
} mortise_response;

/* A request to a cluster. */
typedef struct mortise_http_request {
    uint32_t size; /* sizeof(mortise_http_request); BAD_ARGUMENT for less */
    uint32_t timeout_ms; /* 0: the proxy's own limit */
    mortise_bytes cluster;
    mortise_fields fields; /* `:method`, `:path` and `:authority` among them */
    mortise_bytes body;
} mortise_http_request;

/* The answer to one. */
typedef struct mortise_http_answer {
    uint32_t size;
    uint32_t reserved;
    mortise_fields headers; /* `:status` among them */
    mortise_bytes body;
    mortise_fields trailers;
} mortise_http_answer;

/* ---- frames of a protocol (since 1.1) ------------------------------------------------------ */

/* What the first bytes of a connection say. */
enum { MORTISE_DETECT_MATCH = 0, MORTISE_DETECT_MORE = 1, MORTISE_DETECT_NO = 2 };

/* What a frame is. */
enum {
    MORTISE_FRAME_REQUEST = 0,
    MORTISE_FRAME_ONE_WAY = 1, /* a request that is not answered */
    MORTISE_FRAME_RESPONSE = 2,
    MORTISE_FRAME_HEARTBEAT = 3,
    MORTISE_FRAME_HEARTBEAT_REPLY = 4,
    MORTISE_FRAME_GO_AWAY = 5 /* the sender takes no new requests on this connection */
};

enum {
    MORTISE_FRAME_HAS_TIMEOUT = 1 << 0, /* `timeout_ms` says something */
    MORTISE_FRAME_MALFORMED = 1 << 1    /* something is wrong inside; `malformed` says what */
}; /* flags of a frame */

/* One whole message. Places are counted from its first byte; the proxy cuts it out of its own
 * bytes. It looks at all that is said here: a place that is not inside of the frame, an id that
 * does not stand at its place, and a number that means nothing end the connection, and no other
 * one is given to the instance. */
typedef struct mortise_frame {
    uint32_t size; /* sizeof(mortise_frame); BAD_ARGUMENT for less */
    uint32_t kind;
    uint64_t id;         /* what ties a response to its request */
    size_t length;       /* of the whole frame, at least 1 */
    size_t id_offset;    /* where the id stands, if `id_width` is not 0 */
    uint32_t id_width;   /* bytes of the id there: 4 or 8; 0 where it is no such number */
    uint32_t id_little_endian; /* 1: its first byte is the least significant one */
    mortise_bytes service; /* of a request; empty where the protocol names none */
    mortise_bytes method;
    uint32_t flags;
    uint32_t timeout_ms;  /* how long the caller waits */
    uint32_t status;      /* of a response: the protocol's own number */
    uint32_t http_status; /* of a response: what HTTP would say, 200 to 599 */
    mortise_fields fields; /* of the header block; their case is kept */
    mortise_fields attributes; /* what else is known, under names that begin with a colon */
    size_t body_start;
    size_t body_length;
    mortise_bytes malformed;
} mortise_frame;

enum {
    MORTISE_FIELDS_CHANGED = 1 << 0,
    MORTISE_BODY_CHANGED = 1 << 1
}; /* flags of a rewrite: what is not as it came */

/* A frame to be written. */
typedef struct mortise_rewrite {
    uint32_t size;
    uint32_t kind;
    uint64_t old_id;
    uint64_t id; /* the one to write */
    uint32_t flags;
    uint32_t reserved; /* 0 */
    mortise_bytes raw; /* the bytes that it came in */
    mortise_fields fields; /* without attributes */
    mortise_bytes body;
} mortise_rewrite;

/* A response that the proxy makes in the upstream's place. */
typedef struct mortise_rejection {
    uint32_t size;
    uint32_t status; /* what HTTP would say; choose the protocol's own by it */
    uint64_t id; /* of the request, which the response bears */
    mortise_bytes request; /* its bytes */
    mortise_bytes message; /* one line for the caller */
    mortise_fields fields; /* those of a filter or route; often none */
    mortise_bytes body;
} mortise_rejection;

/* How upstream connections are shared by requests. */
enum {
    MORTISE_POOL_MULTIPLEXED = 0, /* many at a time, told apart by their ids */
    MORTISE_POOL_PING_PONG = 1,   /* one at a time */
    MORTISE_POOL_BOUND = 2 /* a connection of its own for each of a client; ids are not changed */
};

enum {
    MORTISE_CODEC_HEARTBEATS = 1 << 0, /* the proxy may send heartbeats of its own */
    MORTISE_CODEC_GO_AWAY = 1 << 1     /* the protocol has such a frame */
}; /* flags of a profile */

/* What holds of all connections of the protocol. */
typedef struct mortise_codec_profile {
    uint32_t size; /* bytes that the proxy has for it: write no field that is not in them */
    uint32_t pool;
    uint32_t id_width; /* 4 or 8: the range of ids */
    uint32_t flags;
    uint32_t default_timeout_ms; /* of a request that does not say; 0 leaves it to the route */
    uint32_t reserved; /* 0 */
} mortise_codec_profile;

/* ---- what the proxy offers -------------------------------------------------------------- */

/* The proxy, as one instance sees it; the first argument of each call. What is behind the field
 * is the proxy's. It lives as long as the instance. */
typedef struct mortise_handle {
    const struct mortise_host *host;
} mortise_handle;

/* The calls. A `context` is a number that a callback of the instance was given; 0 stands for the
 * instance itself where a call says so. Of one that is over a call says NOT_FOUND, and of one of
 * the other kind BAD_ARGUMENT. */
typedef struct mortise_host {
    uint32_t size; /* bytes of the table */
    uint16_t major;
    uint16_t minor;
    uint64_t features; /* bits; none are given out yet */

    /* The first value of a field. NOT_FOUND without such a field. */
    mortise_status (*field)(mortise_handle *, uint64_t context, uint32_t section,
                            mortise_bytes name, mortise_bytes *value);
    /* All fields of a section. */
    mortise_status (*fields)(mortise_handle *, uint64_t context, uint32_t section,
                             mortise_fields *fields);
    /* Sets a field to one value, adds one behind those that it has, or removes all. WRONG_PHASE
     * where the section is not here or was passed on, BAD_ARGUMENT for a field that no message
     * can carry. */
    mortise_status (*write_field)(mortise_handle *, uint64_t context, uint32_t section,
                                  uint32_t change, mortise_bytes name, mortise_bytes value);
    /* Replaces a section. */
    mortise_status (*replace_fields)(mortise_handle *, uint64_t context, uint32_t section,
                                     mortise_fields fields);
    /* The bytes of a body in hand, within its callback. */
    mortise_status (*body)(mortise_handle *, uint64_t context, uint32_t side,
                           mortise_bytes *bytes);
    /* Replaces `length` of them from `start`, both cut to what is there. */
    mortise_status (*splice_body)(mortise_handle *, uint64_t context, uint32_t side, size_t start,
                                  size_t length, mortise_bytes with);
    /* As `body`, for the bytes of a connection. */
    mortise_status (*data)(mortise_handle *, uint64_t context, uint32_t flow,
                           mortise_bytes *bytes);
    mortise_status (*splice_data)(mortise_handle *, uint64_t context, uint32_t flow, size_t start,
                                  size_t length, mortise_bytes with);
    /* What the proxy knows of a context, or (0) of itself, by the segments of a path. Text and
     * bytes as they are, numbers and times (nanoseconds) as 8 bytes, least first, a truth as one
     * byte. */
    mortise_status (*property)(mortise_handle *, uint64_t context, const mortise_bytes *segments,
                               size_t count, mortise_bytes *value);
    mortise_status (*set_property)(mortise_handle *, uint64_t context,
                                   const mortise_bytes *segments, size_t count,
                                   mortise_bytes value);
    /* Answers the client: of the stream whose callback runs, with MORTISE_RESPOND; of another one,
     * at once. BAD_ARGUMENT for a response that cannot be sent. */
    mortise_status (*respond)(mortise_handle *, uint64_t context, const mortise_response *);
    /* Lets a direction go on that waits since MORTISE_PAUSE. */
    mortise_status (*resume)(mortise_handle *, uint64_t context, uint32_t side);
    mortise_status (*resume_flow)(mortise_handle *, uint64_t context, uint32_t flow);
    /* Breaks a stream off. */
    mortise_status (*reset)(mortise_handle *, uint64_t context);
    /* Closes a connection. */
    mortise_status (*close)(mortise_handle *, uint64_t context);
    /* Sends a request; the answer comes to the `http_answer` of the context, or (0) of the
     * instance, with the number that `call` is set to. NOT_FOUND for an unknown cluster. */
    mortise_status (*http_call)(mortise_handle *, uint64_t context, const mortise_http_request *,
                                uint64_t *call);
    /* Has `tick` called again and again; 0 ends it. */
    mortise_status (*set_tick_period)(mortise_handle *, uint64_t milliseconds);
    /* A value that all instances of the plugin share, on all workers, with its version, which is
     * never 0. */
    mortise_status (*shared_data)(mortise_handle *, mortise_bytes key, mortise_bytes *value,
                                  uint32_t *version);
    /* Sets such a value; CONFLICT where it has not this version any more (0: any). */
    mortise_status (*set_shared_data)(mortise_handle *, mortise_bytes key, mortise_bytes value,
                                      uint32_t version);
    /* Makes or finds a queue, and has `queue_ready` called for its items. */
    mortise_status (*register_queue)(mortise_handle *, mortise_bytes name, uint32_t *queue);
    /* Finds the queue of another plugin, by that one's name. */
    mortise_status (*resolve_queue)(mortise_handle *, mortise_bytes name_space, mortise_bytes name,
                                    uint32_t *queue);
    mortise_status (*enqueue)(mortise_handle *, uint32_t queue, mortise_bytes item);
    /* EMPTY where there is nothing in it. */
    mortise_status (*dequeue)(mortise_handle *, uint32_t queue, mortise_bytes *item);
    /* Makes a metric of the plugin, or finds it. */
    mortise_status (*define_metric)(mortise_handle *, uint32_t kind, mortise_bytes name,
                                    uint32_t *metric);
    /* Sets a gauge, adds to a counter, or observes a value of a histogram. */
    mortise_status (*record_metric)(mortise_handle *, uint32_t metric, uint64_t value);
    mortise_status (*increment_metric)(mortise_handle *, uint32_t metric, int64_t by);
    mortise_status (*metric)(mortise_handle *, uint32_t metric, uint64_t *value);
    /* Writes a line to the proxy's log. */
    mortise_status (*log)(mortise_handle *, uint32_t level, mortise_bytes line);
    /* The wall clock, in nanoseconds since 1970. */
    mortise_status (*now)(mortise_handle *, uint64_t *nanoseconds);
    /* Says why MORTISE_FAILED is about to be answered, or `instance_new` to answer null. */
    mortise_status (*fail)(mortise_handle *, mortise_bytes text);

    /* Since 1.1, for codecs. WRONG_PHASE outside of the callback that each is for. */

    /* The next whole frame of the bytes that `codec_decode` was given; they are told in order. At
     * most 1024 of one call: what is behind them comes again, and LIMIT_REACHED says so. */
    mortise_status (*codec_frame)(mortise_handle *, const mortise_frame *);
    /* What is behind the last frame: the beginning of one that has `needed` bytes in all (0: that
     * cannot be told yet), or none of the protocol, for the reason `lost`, which is no null then.
     * Without a word from here nothing is known of it. The proxy does not ask again before `needed`
     * bytes are there. Say it as soon as the frame's beginning tells: at 0 it asks with each read,
     * with all that has come, which costs the square of a frame's length where that comes in small
     * pieces. */
    mortise_status (*codec_rest)(mortise_handle *, size_t needed, const mortise_bytes *lost);
    /* What `codec_encode` and the callbacks behind it were asked to write; the last one counts. */
    mortise_status (*codec_bytes)(mortise_handle *, mortise_bytes bytes);
} mortise_host;

/* ---- what a plugin offers --------------------------------------------------------------- */

/* The callbacks. Those that are null are not called; `instance_new` and `instance_free` must be
 * there. `instance` is what `instance_new` made, `stream` and `connection` what `stream_new` and
 * `connection_new` made. `end` says (1) that nothing of this direction follows. */
typedef struct mortise_plugin {
    uint32_t size; /* sizeof(mortise_plugin) */
    uint16_t major; /* MORTISE_ABI_MAJOR */
    uint16_t minor; /* MORTISE_ABI_MINOR */
    uint64_t features; /* 0 */

    mortise_bytes name; /* of the package; these live as long as the library */
    mortise_bytes version;
    mortise_bytes sdk; /* with what it was written; may be empty */
    uint32_t phases; /* MORTISE_PHASE_...: all that any of its instances wants */
    uint32_t reserved; /* 0 */

    /* Starts the plugin for one use of it. `root_id` says which of the plugins of this library is
     * meant; it is empty where there is only one. `config` is JSON, or the bytes of a string.
     * `phases` is set to those of the table, and may be made fewer. Null: the plugin does not
     * serve this use, `fail` says why. */
    void *(*instance_new)(mortise_handle *, mortise_bytes root_id, mortise_bytes config,
                          uint32_t *phases);
    void (*instance_free)(void *instance);

    /* A stream begins. Null: the plugin serves no streams. A plugin that keeps nothing for a
     * stream leaves both functions out, and gets a null `stream`. */
    void *(*stream_new)(void *instance, uint64_t context);
    void (*stream_free)(void *instance, void *stream);
    mortise_action (*request_headers)(void *instance, void *stream, uint64_t context, uint32_t end);
    mortise_action (*request_body)(void *instance, void *stream, uint64_t context, uint32_t end);
    mortise_action (*request_trailers)(void *instance, void *stream, uint64_t context);
    mortise_action (*response_headers)(void *instance, void *stream, uint64_t context,
                                       uint32_t end);
    mortise_action (*response_body)(void *instance, void *stream, uint64_t context, uint32_t end);
    mortise_action (*response_trailers)(void *instance, void *stream, uint64_t context);
    /* The stream is over: its last callback. CONTINUE or FAILED. */
    mortise_action (*stream_complete)(void *instance, void *stream, uint64_t context);
    /* The answer to a request of this stream; null where none came. CONTINUE or FAILED. */
    mortise_action (*stream_http_answer)(void *instance, void *stream, uint64_t context,
                                         uint64_t call, const mortise_http_answer *);

    /* As for streams. */
    void *(*connection_new)(void *instance, uint64_t context);
    void (*connection_free)(void *instance, void *connection);
    mortise_action (*new_connection)(void *instance, void *connection, uint64_t context);
    mortise_action (*data)(void *instance, void *connection, uint64_t context, uint32_t flow,
                           uint32_t end);
    /* A side was closed. CONTINUE or FAILED. */
    mortise_action (*close)(void *instance, void *connection, uint64_t context, uint32_t flow,
                            uint32_t by);
    mortise_action (*connection_complete)(void *instance, void *connection, uint64_t context);
    mortise_action (*connection_http_answer)(void *instance, void *connection, uint64_t context,
                                             uint64_t call, const mortise_http_answer *);

    /* Beside streams and connections. CONTINUE or FAILED. */
    mortise_action (*tick)(void *instance);
    mortise_action (*queue_ready)(void *instance, uint32_t queue);
    mortise_action (*http_answer)(void *instance, uint64_t call, const mortise_http_answer *);

    /* Since 1.1: codecs. Without `codec_decode` the plugin serves no protocol. All answer CONTINUE
     * or FAILED. What cannot be decoded is no failure: the bytes come from the network. */

    /* Tells what holds of the protocol; asked once, after `instance_new`. `profile` is set to a
     * multiplexed protocol with ids of 4 bytes. */
    mortise_action (*codec_profile)(void *instance, mortise_codec_profile *profile);
    /* A connection of a client or to an upstream begins; as `stream_new`. Asked once more as the
     * instance starts, to see that it serves. */
    void *(*codec_new)(void *instance, uint64_t context);
    void (*codec_free)(void *instance, void *codec);
    /* Whether the first bytes of a connection are of the protocol; asked again with all bytes from
     * the beginning, up to 4096. `detection` is set to NO. */
    mortise_action (*codec_detect)(void *instance, void *codec, uint64_t context,
                                   mortise_bytes first, uint32_t *detection);
    /* Tells of all whole frames of the bytes: see `codec_frame` and `codec_rest`. */
    mortise_action (*codec_decode)(void *instance, void *codec, uint64_t context,
                                   mortise_bytes bytes);
    /* Those that write one frame give it to `codec_bytes`. Who does not cannot: what was changed
     * has no place in the protocol, or the protocol has no such frame. */
    mortise_action (*codec_encode)(void *instance, void *codec, uint64_t context,
                                   const mortise_rewrite *);
    mortise_action (*codec_heartbeat)(void *instance, void *codec, uint64_t context, uint64_t id);
    /* The reply to a heartbeat, which is given as it came, with its id. */
    mortise_action (*codec_heartbeat_reply)(void *instance, void *codec, uint64_t context,
                                            mortise_bytes heartbeat, uint64_t id);
    mortise_action (*codec_reject)(void *instance, void *codec, uint64_t context,
                                   const mortise_rejection *);
    mortise_action (*codec_go_away)(void *instance, void *codec, uint64_t context);
} mortise_plugin;

/* What a library exports. Null: it does not serve this host. */
MORTISE_EXPORT const mortise_plugin *mortise_plugin_entry(const mortise_host *host);

/* ---- both sides mean the same ----------------------------------------------------------- */

#if defined(__cplusplus)
#define MORTISE_ASSERT(truth, text) static_assert(truth, text)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define MORTISE_ASSERT(truth, text) _Static_assert(truth, text)
#endif

#ifdef MORTISE_ASSERT
MORTISE_ASSERT(sizeof(mortise_abi) == 16, "mortise_abi");
MORTISE_ASSERT(sizeof(mortise_bytes) == 2 * sizeof(void *), "mortise_bytes");
MORTISE_ASSERT(offsetof(mortise_host, field) == 16, "mortise_host begins with its size");
MORTISE_ASSERT(sizeof(void *) != 8 || sizeof(mortise_host) == 16 + 33 * 8, "mortise_host");
MORTISE_ASSERT(sizeof(void *) != 8 || sizeof(mortise_plugin) == 72 + 32 * 8, "mortise_plugin");
MORTISE_ASSERT(sizeof(void *) != 8 || sizeof(mortise_frame) == 152, "mortise_frame");
#endif

#ifdef __cplusplus
}
#endif

#endif
