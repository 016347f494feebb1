/* One WebSocket connection (RFC 6455): a message is sent, the next one that comes is its answer. */
#define _GNU_SOURCE
#include "loadgen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum phase { HANDSHAKE, HEADER, PAYLOAD };
enum { BINARY = 2, CLOSE = 8, PING = 9, PONG = 10, LARGEST_HEADER = 14 };
static const uint8_t KEY[4] = {0x5a, 0xc3, 0x96, 0x0f};

static void websocket_open(struct connection *connection) {
    static const char HEAD[] =
        "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    char *out = (char *)buffer_room(&connection->out, sizeof HEAD + MAX_VALUE);
    connection->out.end += (size_t)sprintf(out, HEAD, connection->run->options->heads.authority);
    connection->ready = false;
    connection->phase = HANDSHAKE;
    connection->streams_allowed = 1;
}

/* A client's frame; its payload is masked, as it must be. */
static void put_frame(struct connection *connection, uint8_t opcode, const uint8_t *payload, size_t size) {
    uint8_t *out = buffer_room(&connection->out, LARGEST_HEADER + size), *start = out;
    *out++ = 0x80 | opcode;
    *out++ = (uint8_t)(0x80 | (size < 126 ? size : size < 65536 ? 126 : 127));
    for (int shift = size < 126 ? 0 : size < 65536 ? 16 : 64; shift > 0; shift -= 8)
        *out++ = (uint8_t)((uint64_t)size >> (shift - 8));
    memcpy(out, KEY, sizeof KEY);
    out += sizeof KEY;
    for (size_t place = 0; place < size; place++)
        out[place] = (payload ? payload[place] : (uint8_t)place) ^ KEY[place & 3];
    connection->out.end += (size_t)(out - start) + size;
}

static void websocket_send(struct connection *connection, struct slot *slot) {
    (void)slot;
    put_frame(connection, BINARY, NULL, connection->run->options->heads.post);
}

static void answered(struct connection *connection) {
    struct slot *slot = connection->slots;
    const struct options *options = connection->run->options;
    bool complete = !slot->differs && (options->answer < 0 || slot->body == (size_t)options->answer);
    connection->run->figures.wrong_length += !complete;
    slot_done(connection, slot, complete);
}

/* The head of the answer to the handshake; false if it is no 101. */
static bool read_handshake(struct connection *connection, const char *head, size_t length) {
    bool switches = length > 12 && !memcmp(head, "HTTP/1.1 101", 12);
    connection->run->figures.not_200 += !switches;
    connection->ready = switches;
    connection->phase = HEADER;
    return switches;
}

/* The header of a server's frame: its size, 0 if it is not whole. */
static size_t read_header(struct connection *connection, const uint8_t *at, size_t have) {
    size_t extended = have < 2 ? 0 : at[1] == 126 ? 2 : at[1] == 127 ? 8 : 0;
    if (have < 2 + extended)
        return 0;
    connection->head_flags = at[0];
    connection->left = extended ? 0 : at[1];
    for (size_t place = 0; place < extended; place++)
        connection->left = connection->left << 8 | at[2 + place];
    connection->phase = PAYLOAD;
    return 2 + extended;
}

static size_t take_payload(struct connection *connection, const uint8_t *at, size_t have) {
    uint8_t opcode = connection->head_flags & 15;
    size_t size = connection->left < have ? (size_t)connection->left : have;
    if (opcode == PING) {
        if (connection->left > have)
            return 0;
        put_frame(connection, PONG, at, size);
    } else if (opcode < CLOSE) {
        struct slot *slot = connection->slots;
        uint8_t differs = 0;
        for (size_t place = 0; place < size; place++)
            differs |= at[place] ^ (uint8_t)(slot->body + place);
        slot->differs = slot->differs || differs;
        slot->body += size;
        connection->run->figures.data += size;
    }
    connection->left -= size;
    if (!connection->left) {
        connection->phase = HEADER;
        if (opcode < CLOSE && connection->head_flags & 0x80)
            answered(connection);
    }
    return size;
}

static bool websocket_received(struct connection *connection) {
    struct buffer *in = &connection->in;
    while (in->end > in->start || (connection->phase == PAYLOAD && !connection->left)) {
        uint8_t *at = in->bytes + in->start;
        size_t have = in->end - in->start, used;
        if (connection->phase == HANDSHAKE) {
            char *end = memmem(at, have, "\r\n\r\n", 4);
            if (!end)
                return have < 65536;
            used = (size_t)(end - (char *)at) + 4;
            if (!read_handshake(connection, (char *)at, used))
                return false;
        } else if (connection->phase == HEADER) {
            used = read_header(connection, at, have);
            if (!used)
                return true;
            if ((connection->head_flags & 15) == CLOSE || !(connection->slots->busy || (connection->head_flags & 8)))
                return false; /* the end, or a message that nobody asked for */
        } else {
            used = take_payload(connection, at, have);
            if (!used && connection->left)
                return true;
        }
        in->start += used;
    }
    return true;
}

static void websocket_closed(struct connection *connection) {
    if (connection->slots->busy) {
        connection->run->figures.lost++;
        slot_done(connection, connection->slots, false);
    }
}

const struct wire WEBSOCKET = {true, websocket_open, websocket_send, websocket_received, websocket_closed};
