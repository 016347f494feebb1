/* What request number N says: twelve fields, of which seven vary as they do behind a proxy.
 *
 * method, scheme, authority, accept, accept-encoding   constant
 * path             20,000, each with any of sixteen million queries
 * cookie           2,000 users        user-agent     60        referer  a million
 * x-forwarded-for  sixteen million IPv4 addresses; one request in eight has an IPv6 address
 * x-request-id, traceparent           never the same twice
 *
 * A number and a seed give the same request in every run.
 */
#include "loadgen.h"

#include <string.h>

enum { USERS = 2000, AGENTS = 60, PRODUCTS = 20000, SEARCHES = 1000000 };

static const char ACCEPT[] = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
static const char ENCODINGS[] = "gzip, deflate, br, zstd";
static const char HEX[] = "0123456789abcdef";
static const char BASE64URL[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char *const PLATFORMS[] = {
    "Windows NT 10.0; Win64; x64", "Macintosh; Intel Mac OS X 10_15_7", "X11; Linux x86_64", "Linux; Android 10; K",
};

/* splitmix64's last step: a bijection, so what is made of different numbers differs. */
static uint64_t mixed(uint64_t value) {
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9u;
    value = (value ^ (value >> 27)) * 0x94d049bb133111ebu;
    return value ^ (value >> 31);
}

static char *put(char *out, const char *text) {
    size_t length = strlen(text);
    memcpy(out, text, length);
    return out + length;
}

static char *put_number(char *out, uint64_t value, int digits) {
    char text[20];
    int count = 0;
    do {
        text[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value || count < digits);
    while (count)
        *out++ = text[--count];
    return out;
}

static char *put_hex(char *out, uint64_t value, int digits) {
    for (int shift = 4 * (digits - 1); shift >= 0; shift -= 4)
        *out++ = HEX[(value >> shift) & 15];
    return out;
}

static char *put_agent(char *out, unsigned agent) {
    out = put(put(put(out, "Mozilla/5.0 ("), PLATFORMS[agent % 4]), ") AppleWebKit/537.36 (KHTML, like Gecko) Chrome/");
    return put(put_number(out, 120 + agent / 4, 1), ".0.0.0 Safari/537.36");
}

static char *put_cookie(char *out, uint64_t seed, unsigned user) {
    out = put(out, "session=");
    for (int part = 0; part < 4; part++) {
        uint64_t bits = mixed(seed + 4 * user + (unsigned)part + 1);
        for (int letter = 0; letter < 10; letter++, bits >>= 6)
            *out++ = BASE64URL[bits & 63];
    }
    return out;
}

static char *put_path(char *out, uint64_t random) {
    out = put_number(put(out, "/products/"), random % PRODUCTS, 5);
    return put_number(put(out, "?visit="), random >> 16 & 0xffffff, 8);
}

static char *put_address(char *out, uint64_t random) {
    if ((random & 7) == 0) {
        out = put_hex(put(out, "2a02:"), 0x1000 | (random >> 8 & 0xfff), 4);
        out = put_hex(put(out, ":"), 0x1000 | (random >> 20 & 0xfff), 4);
        return put_hex(put(out, "::"), 0x1000 | (random >> 32 & 0xfff), 4);
    }
    out = put_number(out, 80 + (random >> 8 & 7), 1);
    out = put_number(put(out, "."), random >> 11 & 255, 1);
    out = put_number(put(out, "."), random >> 19 & 255, 1);
    return put_number(put(out, "."), 1 + (random >> 27 & 127), 1);
}

/* A version 4 UUID whose first 64 bits, but for the version, are a bijection of the number. */
static char *put_uuid(char *out, uint64_t unique, uint64_t random) {
    out = put_hex(out, unique >> 32, 8);
    out = put_hex(put(out, "-"), unique >> 16, 4);
    out = put_hex(put(out, "-4"), unique >> 4, 3);
    out = put_hex(put(out, "-a"), random, 3);
    return put_hex(put_hex(put(out, "-"), unique, 1), random >> 12, 11);
}

static char *put_trace(char *out, uint64_t unique, uint64_t random) {
    out = put_hex(put_hex(put(out, "00-"), unique, 16), random | 1, 16);
    return put(put_hex(put(out, "-"), mixed(unique) | 1, 16), "-01");
}

static void add(struct request *request, const char *name, const char *name_h1, int name_index, int full_index,
                const char *value, const char *end) {
    struct field *field = &request->fields[request->count++];
    field->name = name;
    field->name_h1 = name_h1;
    field->name_length = (uint16_t)strlen(name);
    field->value = value;
    field->value_length = (uint16_t)(end - value);
    field->name_index = (uint8_t)name_index;
    field->full_index = (uint8_t)full_index;
}

static void add_text(struct request *request, const char *name, const char *name_h1, int name_index, int full_index,
                     const char *text) {
    add(request, name, name_h1, name_index, full_index, text, text + strlen(text));
}

void request_make(struct request *request, const struct heads *heads, uint64_t number) {
    uint64_t unique = mixed((heads->repeat ? 0 : number) * 0x9e3779b97f4a7c15u + heads->seed);
    uint64_t random = mixed(unique + 1), other = mixed(unique + 2);
    unsigned user = (unsigned)(random % USERS);
    char *start, *end = request->text;
#define FIELD(name, name_h1, index, made) (start = end, end = (made), add(request, name, name_h1, index, 0, start, end))
    request->count = 0;
    if (heads->post)
        add_text(request, ":method", "", 2, 3, "POST");
    else
        add_text(request, ":method", "", 2, 2, "GET");
    add_text(request, ":scheme", "", 6, 6, "http");
    if (heads->repeat)
        add_text(request, ":path", "", 4, 4, "/");
    else
        FIELD(":path", "", 4, put_path(end, other));
    add_text(request, ":authority", "Host", 1, 0, heads->authority);
    FIELD("user-agent", "User-Agent", 58, put_agent(end, user % AGENTS));
    add_text(request, "accept", "Accept", 19, 0, ACCEPT);
    add_text(request, "accept-encoding", "Accept-Encoding", 16, 0, ENCODINGS);
    FIELD("cookie", "Cookie", 32, put_cookie(end, heads->seed, user));
    FIELD("referer", "Referer", 51,
          put_number(put(end, "https://shop.example/search?q="), (random >> 12) % SEARCHES, 6));
    FIELD("x-forwarded-for", "X-Forwarded-For", 0, put_address(end, mixed(unique + 3)));
    FIELD("x-request-id", "X-Request-Id", 0, put_uuid(end, unique, other));
    FIELD("traceparent", "Traceparent", 0, put_trace(end, unique, random));
#undef FIELD
    if (heads->post) {
        start = end;
        end = put_number(end, heads->post, 1);
        add_text(request, "content-type", "Content-Type", 31, 0, "application/octet-stream");
        add(request, "content-length", "Content-Length", 28, 0, start, end);
    }
}
