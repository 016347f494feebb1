/* A request's head in HPACK (RFC 7541), as each of four proxies encodes it.
 *
 * nginx    :path literal with incremental indexing, never referred to; all other fields literal without indexing,
 *          with their whole name; Huffman where shorter; host in place of :authority (proxy_set_header Host $host)
 * haproxy  names of the static table by index, literal with incremental indexing, never referred to; all others
 *          literal without indexing; no Huffman; host in place of :authority (a client that spoke HTTP/1.1)
 * go       (Caddy, Traefik) everything into the dynamic table and from it; Huffman where shorter
 * envoy    the same, but :path literal without indexing
 *
 * Compared with what nginx 1.30, HAProxy 3.2, Caddy 2.11 and Envoy 1.40 sent to `python -m bench.recorder`.
 */
#include "loadgen.h"

#include <string.h>

#include "huffman.h"

enum { INDEXED = 0x80, INCREMENTAL = 0x40, RESIZE = 0x20, WITHOUT = 0x00, STATIC_ENTRIES = 61, ENTRY_OVERHEAD = 32 };

static const char *const NAMES[STYLES] = {"nginx", "haproxy", "go", "envoy"};

bool style_named(const char *name, size_t length, enum style *style) {
    for (int each = 0; each < STYLES; each++)
        if (strlen(NAMES[each]) == length && !memcmp(NAMES[each], name, length)) {
            *style = (enum style)each;
            return true;
        }
    return false;
}

void encoder_reset(struct encoder *encoder, enum style style) {
    memset(encoder, 0, sizeof *encoder);
    encoder->style = style;
    encoder->limit = TABLE_LIMIT;
}

static void evict(struct encoder *encoder, uint32_t room) {
    while (encoder->count && encoder->used + room > encoder->limit) {
        unsigned oldest = (encoder->newest + TABLE_ENTRIES - encoder->count) % TABLE_ENTRIES;
        encoder->used -= encoder->entries[oldest].size;
        encoder->count--;
    }
}

/* The peer's SETTINGS_HEADER_TABLE_SIZE; the next block announces a change (RFC 7541, section 4.2). */
void encoder_limit(struct encoder *encoder, uint32_t limit) {
    limit = limit < TABLE_LIMIT ? limit : TABLE_LIMIT;
    if (limit == encoder->limit)
        return;
    encoder->limit = limit;
    encoder->announce_limit = true;
    evict(encoder, 0);
}

static uint8_t *put_integer(uint8_t *out, uint8_t pattern, int prefix, uint32_t value) {
    uint32_t limit = (1u << prefix) - 1;
    if (value < limit) {
        *out++ = (uint8_t)(pattern | value);
        return out;
    }
    *out++ = (uint8_t)(pattern | limit);
    for (value -= limit; value >= 128; value >>= 7)
        *out++ = (uint8_t)(value | 128);
    *out++ = (uint8_t)value;
    return out;
}

static uint8_t *put_raw(uint8_t *out, const char *text, size_t length) {
    out = put_integer(out, 0, 7, (uint32_t)length);
    memcpy(out, text, length);
    return out + length;
}

static uint8_t *put_huffman(uint8_t *out, const char *text, size_t length) {
    size_t bits = 0;
    for (size_t place = 0; place < length; place++)
        bits += HUFFMAN[(uint8_t)text[place]].bits;
    size_t encoded = (bits + 7) / 8;
    if (encoded >= length)
        return put_raw(out, text, length);
    out = put_integer(out, 0x80, 7, (uint32_t)encoded);
    uint64_t pending = 0;
    unsigned waiting = 0;
    for (size_t place = 0; place < length; place++) {
        unsigned octet = (uint8_t)text[place];
        pending = pending << HUFFMAN[octet].bits | HUFFMAN[octet].code;
        waiting += HUFFMAN[octet].bits;
        while (waiting >= 8) {
            waiting -= 8;
            *out++ = (uint8_t)(pending >> waiting);
        }
    }
    if (waiting)
        *out++ = (uint8_t)(pending << (8 - waiting) | 0xffu >> waiting);
    return out;
}

static uint64_t hashed(const char *text, size_t length) {
    uint64_t hash = length * 0x9e3779b97f4a7c15u, part;
    for (; length >= 8; text += 8, length -= 8) {
        memcpy(&part, text, 8);
        hash = (hash ^ part) * 0xbf58476d1ce4e5b9u;
        hash ^= hash >> 29;
    }
    part = 0;
    memcpy(&part, text, length);
    hash = (hash ^ part) * 0x94d049bb133111ebu;
    return hash ^ hash >> 32;
}

/* Return the index of the field in the dynamic table, newest first, or 0; `name` is set to that of its name. */
static unsigned find(const struct encoder *encoder, unsigned field, uint64_t hash, unsigned *name) {
    for (unsigned age = 0; age < encoder->count; age++) {
        const struct table_entry *entry =
            &encoder->entries[(encoder->newest + TABLE_ENTRIES - 1 - age) % TABLE_ENTRIES];
        if (entry->field != field)
            continue;
        if (entry->hash == hash)
            return STATIC_ENTRIES + 1 + age;
        if (!*name)
            *name = STATIC_ENTRIES + 1 + age;
    }
    return 0;
}

/* Add the field to the dynamic table, unless it has no room at all; say whether it was added. */
static bool insert(struct encoder *encoder, unsigned field, const struct field *what, uint64_t hash) {
    uint32_t size = what->name_length + what->value_length + ENTRY_OVERHEAD;
    if (size > encoder->limit)
        return false;
    evict(encoder, size);
    encoder->entries[encoder->newest] = (struct table_entry){.hash = hash, .size = size, .field = (uint8_t)field};
    encoder->newest = (encoder->newest + 1) % TABLE_ENTRIES;
    encoder->count++;
    encoder->used += size;
    return true;
}

static uint8_t *indexed_field(struct encoder *encoder, unsigned place, const struct field *field, uint8_t *out) {
    uint64_t hash = hashed(field->value, field->value_length);
    unsigned name = field->name_index;
    unsigned found = find(encoder, place, hash, &name);
    if (found)
        return put_integer(out, INDEXED, 7, found);
    bool wanted = encoder->style != STYLE_ENVOY || place != PATH;
    if (wanted && insert(encoder, place, field, hash))
        out = put_integer(out, INCREMENTAL, 6, name);
    else
        out = put_integer(out, WITHOUT, 4, name);
    if (!name)
        out = put_huffman(out, field->name, field->name_length);
    return put_huffman(out, field->value, field->value_length);
}

static const struct field *host(const struct field *authority, struct field *field) {
    enum { HOST_INDEX = 38 };
    *field = *authority;
    field->name = "host";
    field->name_length = 4;
    field->name_index = HOST_INDEX;
    return field;
}

static uint8_t *nginx_field(const struct field *field, uint8_t *out) {
    if (field->name[0] == ':') {
        out = put_integer(out, INCREMENTAL, 6, field->name_index);
    } else {
        *out++ = WITHOUT;
        out = put_huffman(out, field->name, field->name_length);
    }
    return put_huffman(out, field->value, field->value_length);
}

static uint8_t *haproxy_field(const struct field *field, uint8_t *out) {
    if (field->name_index) {
        out = put_integer(out, INCREMENTAL, 6, field->name_index);
    } else {
        *out++ = WITHOUT;
        out = put_raw(out, field->name, field->name_length);
    }
    return put_raw(out, field->value, field->value_length);
}

uint8_t *encode_head(struct encoder *encoder, const struct request *request, uint8_t *out) {
    if (encoder->announce_limit) {
        out = put_integer(out, RESIZE, 5, encoder->limit);
        encoder->announce_limit = false;
    }
    for (int place = 0; place < request->count; place++) {
        const struct field *field = &request->fields[place];
        struct field other;
        if (place == AUTHORITY && (encoder->style == STYLE_NGINX || encoder->style == STYLE_HAPROXY))
            field = host(field, &other);
        if (field->full_index)
            out = put_integer(out, INDEXED, 7, field->full_index);
        else if (encoder->style == STYLE_NGINX)
            out = nginx_field(field, out);
        else if (encoder->style == STYLE_HAPROXY)
            out = haproxy_field(field, out);
        else
            out = indexed_field(encoder, (unsigned)place, field, out);
    }
    return out;
}
