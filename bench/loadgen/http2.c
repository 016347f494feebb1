/* One HTTP/2 connection with prior knowledge (RFC 9113): requests out, answers counted by END_STREAM and :status.
 *
 * Of an answer's head only the first field is read: `:status: 200` by its static index or literally. What else it
 * holds is never decoded, so a server's own choice of encoding costs nothing here.
 */
#include "loadgen.h"

#include <string.h>

enum { DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION };
enum { END_STREAM = 1, ACK = 1, END_HEADERS = 4, PADDED = 8, PRIORITISED = 32 };
enum { HEADER_TABLE_SIZE = 1, MAX_CONCURRENT_STREAMS = 3, INITIAL_WINDOW_SIZE = 4, MAX_FRAME_SIZE = 5 };
enum { FRAME_HEAD = 9, OUR_FRAME = 16384, MAX_WINDOW = 0x7fffffff, CREDIT_AT = 1 << 24 };

static const char PREFACE[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static uint32_t get32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint8_t *put32(uint8_t *out, uint32_t value) {
    *out++ = (uint8_t)(value >> 24);
    *out++ = (uint8_t)(value >> 16);
    *out++ = (uint8_t)(value >> 8);
    *out++ = (uint8_t)value;
    return out;
}

static uint8_t *put_frame(uint8_t *out, size_t length, int type, int flags, uint32_t stream) {
    *out++ = (uint8_t)(length >> 16);
    *out++ = (uint8_t)(length >> 8);
    *out++ = (uint8_t)length;
    *out++ = (uint8_t)type;
    *out++ = (uint8_t)flags;
    return put32(out, stream);
}

static void put_window_update(struct connection *connection, uint32_t credit) {
    uint8_t *out = buffer_room(&connection->out, FRAME_HEAD + 4);
    put32(put_frame(out, 4, WINDOW_UPDATE, 0, 0), credit);
    connection->out.end += FRAME_HEAD + 4;
}

static void http2_open(struct connection *connection) {
    const struct options *options = connection->run->options;
    enum { SETTINGS_SIZE = 12 };
    encoder_reset(&connection->encoder, options->style[connection->index % options->styles]);
    connection->ready = false;
    connection->next_stream = 1;
    connection->streams_allowed = (uint32_t)options->streams;
    connection->peer_frame = OUR_FRAME;
    connection->peer_stream_window = 65535;
    connection->window = 65535;
    connection->data_left = connection->credit = 0;
    uint8_t *start = buffer_room(&connection->out, sizeof PREFACE + FRAME_HEAD + SETTINGS_SIZE), *out = start;
    memcpy(out, PREFACE, sizeof PREFACE - 1);
    out = put_frame(out + sizeof PREFACE - 1, SETTINGS_SIZE, SETTINGS, 0, 0);
    out = put32(out, 0x00020000); /* ENABLE_PUSH 0: its identifier and half of its value */
    *out++ = 0, *out++ = 0;
    *out++ = 0, *out++ = INITIAL_WINDOW_SIZE;
    out = put32(out, MAX_WINDOW);
    connection->out.end += (size_t)(out - start);
    put_window_update(connection, MAX_WINDOW - 65535);
}

static struct slot *slot_of(struct connection *connection, uint32_t stream) {
    for (int each = 0; each < connection->run->options->streams; each++)
        if (connection->slots[each].busy && connection->slots[each].stream == stream)
            return &connection->slots[each];
    return NULL;
}

/* As much of the request's body as both windows let through. */
static void send_body(struct connection *connection, struct slot *slot) {
    while (slot->unsent && slot->window > 0 && connection->window > 0) {
        size_t size = slot->unsent < connection->peer_frame ? slot->unsent : connection->peer_frame;
        size = size < (uint64_t)slot->window ? size : (size_t)slot->window;
        size = size < (uint64_t)connection->window ? size : (size_t)connection->window;
        uint8_t *out = buffer_room(&connection->out, FRAME_HEAD + size);
        slot->unsent -= size;
        out = put_frame(out, size, DATA, slot->unsent ? 0 : END_STREAM, slot->stream);
        for (size_t place = 0; place < size; place++)
            out[place] = (uint8_t)place;
        connection->out.end += FRAME_HEAD + size;
        slot->window -= (int64_t)size;
        connection->window -= (int64_t)size;
    }
}

static void send_bodies(struct connection *connection) {
    for (int each = 0; each < connection->run->options->streams; each++)
        if (connection->slots[each].busy && connection->slots[each].unsent)
            send_body(connection, &connection->slots[each]);
}

static void http2_send(struct connection *connection, struct slot *slot) {
    const struct heads *heads = &connection->run->options->heads;
    struct request request;
    request_make(&request, heads, slot->number);
    uint8_t *start = buffer_room(&connection->out, FRAME_HEAD + MAX_FIELDS * 2 * MAX_VALUE);
    uint8_t *end = encode_head(&connection->encoder, &request, start + FRAME_HEAD);
    slot->stream = connection->next_stream;
    slot->unsent = heads->post;
    slot->window = connection->peer_stream_window;
    connection->next_stream += 2;
    put_frame(start, (size_t)(end - start) - FRAME_HEAD, HEADERS, END_HEADERS | (heads->post ? 0 : END_STREAM),
              slot->stream);
    connection->out.end += (size_t)(end - start);
    send_body(connection, slot);
}

/* Whether the block's first field is `:status: 200`: static entry 8, by index or by name. */
static bool is_200(const uint8_t *block, size_t length) {
    while (length && (*block & 0xe0) == 0x20) { /* table size updates come first */
        bool more = (*block & 0x1f) == 0x1f;
        for (block++, length--; more && length; block++, length--)
            more = *block & 0x80;
    }
    if (length && *block == 0x88)
        return true;
    if (length < 4 || (*block != 0x48 && *block != 0x08 && *block != 0x18))
        return false;
    return !memcmp(block + 1, "\x82\x10\x01", 3) || (length > 4 && !memcmp(block + 1, "\x03" "200", 4));
}

static void end_stream(struct connection *connection, struct slot *slot) {
    struct figures *figures = &connection->run->figures;
    long answer = connection->run->options->answer;
    bool complete = answer < 0 || slot->body == (size_t)answer;
    if (slot->refused || !slot->answered)
        figures->not_200++;
    else if (!complete)
        figures->wrong_length++;
    if (slot->unsent) { /* answered before the upload has ended: give it up, as the answer is whole */
        uint8_t *out = buffer_room(&connection->out, FRAME_HEAD + 4);
        put32(put_frame(out, 4, RST_STREAM, 0, slot->stream), 0);
        connection->out.end += FRAME_HEAD + 4;
    }
    slot_done(connection, slot, slot->answered && !slot->refused && complete);
}

static void data(struct connection *connection, size_t length) {
    struct slot *slot = slot_of(connection, connection->data_stream);
    size_t body = length;
    connection->data_left -= (uint32_t)length;
    if (connection->padding) { /* the last octets of the frame */
        size_t kept = connection->data_left >= connection->padding ? 0 : connection->padding - connection->data_left;
        kept = kept < length ? kept : length;
        body -= kept;
    }
    connection->run->figures.data += body;
    if (slot)
        slot->body += body;
    if (!connection->data_left && slot && connection->data_flags & END_STREAM)
        end_stream(connection, slot);
}

static void head_part(struct connection *connection, uint8_t type, uint8_t flags, uint32_t stream,
                      const uint8_t *bytes, size_t length) {
    struct slot *slot = slot_of(connection, stream);
    if (type == HEADERS) {
        size_t skipped = (flags & PADDED ? 1 : 0) + (flags & PRIORITISED ? 5 : 0);
        connection->head_flags = flags;
        if (slot && !slot->answered) {
            slot->answered = true;
            slot->refused = length < skipped || !is_200(bytes + skipped, length - skipped);
        }
    }
    if (flags & END_HEADERS && slot && connection->head_flags & END_STREAM)
        end_stream(connection, slot);
}

static void apply_setting(struct connection *connection, unsigned identifier, uint32_t value) {
    if (identifier == HEADER_TABLE_SIZE)
        encoder_limit(&connection->encoder, value);
    else if (identifier == MAX_CONCURRENT_STREAMS)
        connection->streams_allowed = value;
    else if (identifier == MAX_FRAME_SIZE)
        connection->peer_frame = value < OUR_FRAME ? value : OUR_FRAME;
    else if (identifier == INITIAL_WINDOW_SIZE) {
        int64_t more = (int64_t)value - connection->peer_stream_window;
        connection->peer_stream_window = value;
        for (int each = 0; each < connection->run->options->streams; each++)
            connection->slots[each].window += more;
        send_bodies(connection);
    }
}

static void settings(struct connection *connection, uint8_t flags, const uint8_t *bytes, size_t length) {
    if (flags & ACK)
        return;
    for (size_t place = 0; place + 6 <= length; place += 6)
        apply_setting(connection, (unsigned)bytes[place] << 8 | bytes[place + 1], get32(bytes + place + 2));
    put_frame(buffer_room(&connection->out, FRAME_HEAD), 0, SETTINGS, ACK, 0);
    connection->out.end += FRAME_HEAD;
    connection->ready = true;
}

static void window_update(struct connection *connection, uint32_t stream, uint32_t credit) {
    struct slot *slot = stream ? slot_of(connection, stream) : NULL;
    if (!stream) {
        connection->window += credit;
        send_bodies(connection);
    } else if (slot) {
        slot->window += credit;
        send_body(connection, slot);
    }
}

static void reset(struct connection *connection, uint32_t stream, uint32_t code) {
    struct slot *slot = slot_of(connection, stream);
    enum { REFUSED_STREAM = 7 };
    if (slot && code == REFUSED_STREAM) {
        slot_retry(connection, slot);
    } else if (slot) {
        connection->run->figures.reset++;
        slot_done(connection, slot, false);
    }
}

/* No new stream; those above the last one were not processed and are sent again elsewhere. */
static void goaway(struct connection *connection, uint32_t last) {
    connection->closing = true;
    for (int each = 0; each < connection->run->options->streams; each++)
        if (connection->slots[each].busy && connection->slots[each].stream > last)
            slot_retry(connection, &connection->slots[each]);
}

static void frame(struct connection *connection, uint8_t type, uint8_t flags, uint32_t stream, const uint8_t *bytes,
                  size_t length) {
    if (type == HEADERS || type == CONTINUATION) {
        head_part(connection, type, flags, stream, bytes, length);
    } else if (type == SETTINGS) {
        settings(connection, flags, bytes, length);
    } else if (type == PING && !(flags & ACK) && length == 8) {
        memcpy(put_frame(buffer_room(&connection->out, FRAME_HEAD + 8), 8, PING, ACK, 0), bytes, 8);
        connection->out.end += FRAME_HEAD + 8;
    } else if (type == WINDOW_UPDATE && length == 4) {
        window_update(connection, stream, get32(bytes) & MAX_WINDOW);
    } else if (type == RST_STREAM && length == 4) {
        reset(connection, stream, get32(bytes));
    } else if (type == GOAWAY && length >= 8) {
        goaway(connection, get32(bytes) & MAX_WINDOW);
    }
}

static void begin_data(struct connection *connection, uint32_t length, uint8_t flags, uint32_t stream) {
    connection->data_left = length;
    connection->data_flags = flags;
    connection->data_stream = stream;
    connection->padding = 0;
    connection->credit += length;
    if (connection->credit >= CREDIT_AT) {
        put_window_update(connection, connection->credit);
        connection->credit = 0;
    }
}

static bool http2_received(struct connection *connection) {
    struct buffer *in = &connection->in;
    while (in->end > in->start) {
        const uint8_t *at = in->bytes + in->start;
        size_t have = in->end - in->start;
        if (connection->data_left) {
            size_t size = have < connection->data_left ? have : connection->data_left;
            data(connection, size);
            in->start += size;
            continue;
        }
        if (have < FRAME_HEAD)
            return true;
        uint32_t length = get32(at) >> 8, stream = get32(at + 5) & MAX_WINDOW;
        if (length > OUR_FRAME)
            return false;
        if (at[3] == DATA) {
            size_t padded = at[4] & PADDED && length ? 1 : 0;
            if (have < FRAME_HEAD + padded)
                return true;
            begin_data(connection, length, at[4], stream);
            connection->data_left -= (uint32_t)padded;
            connection->padding = padded ? at[FRAME_HEAD] : 0;
            in->start += FRAME_HEAD + padded;
            if (!connection->data_left)
                data(connection, 0);
            continue;
        }
        if (have < FRAME_HEAD + length)
            return true;
        frame(connection, at[3], at[4], stream, at + FRAME_HEAD, length);
        in->start += FRAME_HEAD + length;
    }
    return true;
}

/* After a GOAWAY what it did not take was retried; the rest has got no answer. */
static void http2_closed(struct connection *connection) {
    for (int each = 0; each < connection->run->options->streams; each++)
        if (connection->slots[each].busy) {
            connection->run->figures.lost++;
            slot_done(connection, &connection->slots[each], false);
        }
}

const struct wire HTTP2 = {false, http2_open, http2_send, http2_received, http2_closed};
