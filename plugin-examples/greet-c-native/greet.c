/*
 * Greet: adds one header, named by its configuration, to every request and its response.
 *
 * The configuration is `{"header": "x-greeting", "value": "hello"}`, and nothing else. A greeting
 * is read when an instance starts; a stream needs nothing of its own, so `stream_new` is left out.
 */
#include "mortise.h"

#include <stdlib.h>
#include <string.h>

MORTISE_PLUGIN_ABI;

enum { TEXT_MAX = 256 };

/* What one instance keeps. */
typedef struct {
    mortise_handle *handle;
    size_t header_length, value_length;
    char header[TEXT_MAX], value[TEXT_MAX];
} greeting;

static mortise_bytes bytes(const char *data, size_t length) {
    mortise_bytes bytes = {(const uint8_t *)data, length};
    return bytes;
}

static mortise_bytes text(const char *text) { return bytes(text, strlen(text)); }

/* ---- the configuration ------------------------------------------------------------------ */

/* Where in the configuration we are. */
typedef struct {
    const char *at, *end;
} cursor;

static void skip_space(cursor *in) {
    while (in->at < in->end && strchr(" \t\r\n", *in->at) != NULL && *in->at != 0) in->at++;
}

static int take(cursor *in, char wanted) {
    skip_space(in);
    if (in->at == in->end || *in->at != wanted) return 0;
    in->at++;
    return 1;
}

/* A string without control characters; of the escapes only those of one character. */
static int take_string(cursor *in, char *out, size_t *length) {
    size_t count = 0;
    if (!take(in, '"')) return 0;
    while (in->at < in->end && *in->at != '"') {
        char next = *in->at++;
        if ((unsigned char)next < 0x20 || count == TEXT_MAX) return 0;
        if (next == '\\') {
            if (in->at == in->end || strchr("\"\\/", *in->at) == NULL || *in->at == 0) return 0;
            next = *in->at++;
        }
        out[count++] = next;
    }
    *length = count;
    return take(in, '"');
}

/* Reads a greeting; the answer says what is wrong with it, or is null. */
static const char *read_greeting(greeting *into, mortise_bytes config) {
    cursor in = {(const char *)config.data, (const char *)config.data + config.length};
    int has_header = 0, has_value = 0;
    if (config.length == 0) return "it is empty";
    if (!take(&in, '{')) return "it is no map";
    do {
        char name[TEXT_MAX];
        size_t length = 0;
        if (!take_string(&in, name, &length) || !take(&in, ':')) return "it is no map of strings";
        if (length == 6 && memcmp(name, "header", 6) == 0) {
            if (!take_string(&in, into->header, &into->header_length)) return "`header` is no text";
            has_header = 1;
        } else if (length == 5 && memcmp(name, "value", 5) == 0) {
            if (!take_string(&in, into->value, &into->value_length)) return "`value` is no text";
            has_value = 1;
        } else {
            return "it has a key that is neither `header` nor `value`";
        }
    } while (take(&in, ','));
    if (!take(&in, '}')) return "it has no end";
    skip_space(&in);
    if (in.at != in.end) return "something follows its end";
    if (!has_header || into->header_length == 0) return "`header` is missing";
    if (!has_value) return "`value` is missing";
    for (size_t i = 0; i < into->header_length; i++) {
        char c = into->header[i];
        int is_name = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (!is_name) return "`header` is not a lower-case header name";
    }
    for (size_t i = 0; i < into->value_length; i++) {
        if (into->value[i] < ' ' || into->value[i] > '~')
            return "`value` has a character that no header carries";
    }
    return NULL;
}

/* ---- the callbacks ---------------------------------------------------------------------- */

static void refuse(mortise_handle *handle, const char *why) {
    char line[TEXT_MAX] = "bad configuration: ";
    strncat(line, why, sizeof line - strlen(line) - 1);
    handle->host->fail(handle, text(line));
}

static void *instance_new(mortise_handle *handle, mortise_bytes root_id, mortise_bytes config,
                          uint32_t *phases) {
    (void)root_id, (void)phases;
    greeting *made = calloc(1, sizeof *made);
    const char *why = made == NULL ? "there is no memory" : read_greeting(made, config);
    if (why != NULL) {
        refuse(handle, why);
        free(made);
        return NULL;
    }
    made->handle = handle;
    return made;
}

static mortise_action greet(const greeting *said, uint64_t context, uint32_t section) {
    mortise_handle *handle = said->handle;
    /* A host that does not let us greet is no reason to fail a request. */
    handle->host->write_field(handle, context, section, MORTISE_SET,
                              bytes(said->header, said->header_length),
                              bytes(said->value, said->value_length));
    return MORTISE_CONTINUE;
}

static mortise_action request_headers(void *instance, void *stream, uint64_t context,
                                      uint32_t end) {
    (void)stream, (void)end;
    return greet(instance, context, MORTISE_REQUEST_HEADERS);
}

static mortise_action response_headers(void *instance, void *stream, uint64_t context,
                                       uint32_t end) {
    (void)stream, (void)end;
    return greet(instance, context, MORTISE_RESPONSE_HEADERS);
}

static mortise_plugin plugin = {
    .size = sizeof(mortise_plugin),
    .major = MORTISE_ABI_MAJOR,
    .minor = MORTISE_ABI_MINOR,
    .phases = MORTISE_PHASE_REQUEST_HEADERS | MORTISE_PHASE_RESPONSE_HEADERS,
    .instance_new = instance_new,
    .instance_free = free,
    .request_headers = request_headers,
    .response_headers = response_headers,
};

const mortise_plugin *mortise_plugin_entry(const mortise_host *host) {
    if (host->major != MORTISE_ABI_MAJOR || !MORTISE_HAS(host, mortise_host, fail)) return NULL;
    plugin.name = text("greet-c-native");
    plugin.version = text("0.1.0");
    return &plugin;
}
