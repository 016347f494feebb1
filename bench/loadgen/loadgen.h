/* The load generator: what its files know of each other.
 *
 * request.c  what request number N says          hpack.c  a head as one of four proxies encodes it
 * http2.c    one HTTP/2 connection               http1.c  one HTTP/1.1 connection
 * websocket.c  one WebSocket connection, whose messages come back
 * run.c      sockets, the schedule, the figures  main.c   options and the report
 */
#ifndef LOADGEN_H
#define LOADGEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_FIELDS = 16, MAX_STREAMS = 1024, MAX_CONNECTIONS = 4096, MAX_STYLES = 8, MAX_VALUE = 256 };

/* ---- request.c ---- */

/* `name_index` is the name's place in HPACK's static table, `full_index` that of name and value together; 0: none. */
struct field {
    const char *name, *name_h1;
    const char *value;
    uint16_t name_length, value_length;
    uint8_t name_index, full_index;
};

/* The four pseudo-header fields come first. */
enum { METHOD, SCHEME, PATH, AUTHORITY, FIRST_FIELD };

struct request {
    int count;
    struct field fields[MAX_FIELDS];
    char text[MAX_FIELDS * MAX_VALUE];
};

struct heads {
    uint64_t seed;
    const char *authority;
    size_t post;        /* body bytes of each request; 0: GET */
    bool repeat;        /* every head is that of the first request, its path / */
};

void request_make(struct request *request, const struct heads *heads, uint64_t number);

/* ---- hpack.c ---- */

enum style { STYLE_NGINX, STYLE_HAPROXY, STYLE_GO, STYLE_ENVOY, STYLES };

struct table_entry {
    uint64_t hash;      /* of the value; a name is its place in the request */
    uint32_t size;
    uint8_t field;
};

enum { TABLE_LIMIT = 4096, TABLE_ENTRIES = 128 };

/* The encoder's dynamic table: a ring, `newest` the next place to be written. */
struct encoder {
    enum style style;
    uint32_t limit, used;
    bool announce_limit;
    unsigned newest, count;
    struct table_entry entries[TABLE_ENTRIES];
};

bool style_named(const char *name, size_t length, enum style *style);
void encoder_reset(struct encoder *encoder, enum style style);
void encoder_limit(struct encoder *encoder, uint32_t limit);
uint8_t *encode_head(struct encoder *encoder, const struct request *request, uint8_t *out);

/* ---- run.c ---- */

struct buffer {
    uint8_t *bytes;
    size_t start, end, capacity;
};

uint8_t *buffer_room(struct buffer *buffer, size_t size);

struct connection;

struct slot {
    bool busy, answered, refused, differs;
    uint32_t stream;
    uint64_t number, intended;
    size_t body;        /* bytes of the answer so far */
    size_t unsent;      /* bytes of the request's body that wait for a window */
    int64_t window;
};

/* What a connection speaks. `received` is false if it has to be closed; `closed`: the server has done so. */
struct wire {
    bool one_at_a_time;
    void (*open)(struct connection *connection);
    void (*send)(struct connection *connection, struct slot *slot);
    bool (*received)(struct connection *connection);
    void (*closed)(struct connection *connection);
};

struct options {
    const char *host;
    int port;
    const struct wire *wire;
    int connections, streams, styles;
    enum style style[MAX_STYLES];
    uint64_t requests, first;
    double duration, rate, timeout;
    long answer;        /* expected body bytes of an answer; -1: any */
    struct heads heads;
};

struct connection {
    struct run *run;
    int fd, index, busy;
    bool ready, closing, want_write;
    uint32_t streams_allowed;
    struct slot *slots;
    struct buffer in, out;
    /* HTTP/2 */
    struct encoder encoder;
    uint32_t next_stream, peer_frame, peer_stream_window, credit;
    int64_t window;
    uint32_t data_left, data_stream, padding;
    uint8_t data_flags, head_flags;
    /* HTTP/1.1 */
    int phase;
    bool keep_alive, used;
    uint64_t left;
};

struct pending {
    uint64_t number, intended;
};

/* What a run gave; `lost` requests were never answered, `retried` ones were not taken and sent again. */
struct figures {
    uint64_t issued, ok, failed, retried, reconnected, data, wire_in, wire_out;
    uint64_t not_200, wrong_length, reset, lost;
    double seconds, cpu;
    uint64_t *latencies;
    size_t latencies_count, latencies_room;
};

struct run {
    const struct options *options;
    struct figures figures;
    struct connection *connections;
    int epoll;
    uint64_t now, started, last_answer, in_flight;
    struct pending *retry;
    size_t retry_count, retry_room;
    unsigned turn;
    const char *error;
};

void slot_done(struct connection *connection, struct slot *slot, bool ok);
void slot_retry(struct connection *connection, struct slot *slot);

/* Put the load on the server; false: it could not be done, and `run->error` says why. */
bool run_load(struct run *run, const struct options *options);

/* ---- http2.c, http1.c, websocket.c ---- */

extern const struct wire HTTP2, HTTP1, WEBSOCKET;

#endif
