/* One HTTP/1.1 connection (RFC 9112): one request at a time, kept alive. */
#define _GNU_SOURCE
#include "loadgen.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum phase { HEAD, BODY, CHUNK_SIZE, CHUNK, CHUNK_END, TRAILERS, UNTIL_CLOSE };

static void http1_open(struct connection *connection) {
    connection->ready = true;
    connection->phase = HEAD;
    connection->keep_alive = true;
    connection->used = false;
    connection->streams_allowed = 1;
}

static uint8_t *put(uint8_t *out, const char *text, size_t length) {
    memcpy(out, text, length);
    return out + length;
}

static uint8_t *put_field(uint8_t *out, const struct field *field) {
    out = put(out, field->name_h1, strlen(field->name_h1));
    out = put(out, ": ", 2);
    out = put(out, field->value, field->value_length);
    return put(out, "\r\n", 2);
}

static void http1_send(struct connection *connection, struct slot *slot) {
    const struct heads *heads = &connection->run->options->heads;
    struct request request;
    request_make(&request, heads, slot->number);
    uint8_t *start = buffer_room(&connection->out, MAX_FIELDS * 2 * MAX_VALUE + heads->post), *out = start;
    out = put(out, request.fields[METHOD].value, request.fields[METHOD].value_length);
    out = put(out, " ", 1);
    out = put(out, request.fields[PATH].value, request.fields[PATH].value_length);
    out = put(out, " HTTP/1.1\r\n", 11);
    out = put_field(out, &request.fields[AUTHORITY]);
    for (int each = FIRST_FIELD; each < request.count; each++)
        out = put_field(out, &request.fields[each]);
    out = put(out, "\r\n", 2);
    for (size_t place = 0; place < heads->post; place++)
        *out++ = (uint8_t)place;
    connection->out.end += (size_t)(out - start);
}

/* The value of a field of the head, or nothing; `line` is what follows the status line. */
static const char *field_of(const char *line, const char *end, const char *name, size_t *length) {
    size_t wanted = strlen(name);
    while (line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (!stop)
            return NULL;
        if ((size_t)(stop - line) > wanted && line[wanted] == ':' && !strncasecmp(line, name, wanted)) {
            const char *value = line + wanted + 1;
            while (value < stop && (*value == ' ' || *value == '\t'))
                value++;
            *length = (size_t)(stop - value) - (stop > value && stop[-1] == '\r');
            return value;
        }
        line = stop + 1;
    }
    return NULL;
}

static bool has_word(const char *value, size_t length, const char *word) {
    size_t wanted = strlen(word);
    for (size_t place = 0; place + wanted <= length; place++)
        if (!strncasecmp(value + place, word, wanted))
            return true;
    return false;
}

static void answered(struct connection *connection) {
    struct slot *slot = connection->slots;
    struct figures *figures = &connection->run->figures;
    long answer = connection->run->options->answer;
    bool complete = answer < 0 || slot->body == (size_t)answer;
    connection->phase = HEAD;
    connection->closing = connection->closing || !connection->keep_alive;
    if (!slot->busy)
        return;
    connection->used = true;
    if (slot->refused)
        figures->not_200++;
    else if (!complete)
        figures->wrong_length++;
    slot_done(connection, slot, !slot->refused && complete);
}

static void read_head(struct connection *connection, const char *head, const char *end) {
    struct slot *slot = connection->slots;
    const char *fields = memchr(head, '\n', (size_t)(end - head));
    size_t length = 0;
    const char *value;
    if (end - head > 12 && head[9] == '1') /* informational: the answer follows */
        return;
    fields = fields ? fields + 1 : end;
    slot->answered = true;
    slot->refused = end - head < 13 || memcmp(head, "HTTP/1.1 200", 12);
    value = field_of(fields, end, "connection", &length);
    connection->keep_alive = !(value && has_word(value, length, "close"));
    value = field_of(fields, end, "transfer-encoding", &length);
    if (value && has_word(value, length, "chunked")) {
        connection->phase = CHUNK_SIZE;
        return;
    }
    value = field_of(fields, end, "content-length", &length);
    connection->left = value ? strtoull(value, NULL, 10) : 0;
    connection->phase = value ? BODY : UNTIL_CLOSE;
    if (value && !connection->left)
        answered(connection);
}

/* One line of the chunked coding; false if it makes no sense. */
static bool read_line(struct connection *connection, const char *line) {
    if (connection->phase == CHUNK_END) {
        connection->phase = CHUNK_SIZE;
    } else if (connection->phase == TRAILERS) {
        if (line[0] == '\r' || line[0] == '\n')
            answered(connection);
    } else {
        char *stop = NULL;
        connection->left = strtoull(line, &stop, 16);
        if (stop == line)
            return false;
        connection->phase = connection->left ? CHUNK : TRAILERS;
    }
    return true;
}

static size_t take_body(struct connection *connection, size_t have) {
    bool bounded = connection->phase != UNTIL_CLOSE;
    size_t size = bounded && connection->left < have ? (size_t)connection->left : have;
    connection->slots->body += size;
    connection->run->figures.data += size;
    connection->left -= bounded ? size : 0;
    if (bounded && !connection->left) {
        if (connection->phase == BODY)
            answered(connection);
        else
            connection->phase = CHUNK_END;
    }
    return size;
}

static bool http1_received(struct connection *connection) {
    struct buffer *in = &connection->in;
    while (in->end > in->start) {
        char *at = (char *)in->bytes + in->start;
        size_t have = in->end - in->start;
        if (!connection->slots->busy) /* bytes that nobody asked for */
            return false;
        if (connection->phase == HEAD) {
            char *end = memmem(at, have, "\r\n\r\n", 4);
            if (!end)
                return have < 65536;
            in->start += (size_t)(end - at) + 4;
            read_head(connection, at, end + 2);
        } else if (connection->phase == BODY || connection->phase == CHUNK || connection->phase == UNTIL_CLOSE) {
            in->start += take_body(connection, have);
        } else {
            char *end = memchr(at, '\n', have);
            if (!end)
                return have < 4096;
            in->start += (size_t)(end - at) + 1;
            if (!read_line(connection, at))
                return false;
        }
    }
    return true;
}

/* The server has closed: a request that a kept connection had not begun to answer is retried. */
static void http1_closed(struct connection *connection) {
    struct slot *slot = connection->slots;
    if (!slot->busy)
        return;
    if (connection->phase == UNTIL_CLOSE && slot->answered) {
        answered(connection);
        return;
    }
    if (connection->used && !slot->answered && connection->in.end == connection->in.start) {
        slot_retry(connection, slot);
        return;
    }
    connection->run->figures.lost++;
    slot_done(connection, slot, false);
}

const struct wire HTTP1 = {true, http1_open, http1_send, http1_received, http1_closed};
