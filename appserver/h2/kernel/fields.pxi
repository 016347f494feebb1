# Names that need no new object, and fields that need no new judgement.

# Sent literally by nginx and HAProxy on every request, or in HPACK's static table.
cdef list KNOWN_NAMES = [
    b":authority", b":method", b":path", b":protocol", b":scheme",
    b"accept", b"accept-charset", b"accept-encoding", b"accept-language", b"access-control-request-headers",
    b"access-control-request-method", b"authorization", b"baggage", b"cache-control", b"cdn-loop",
    b"cf-connecting-ip", b"cf-ipcountry", b"cf-ray", b"cf-visitor", b"content-disposition", b"content-encoding",
    b"content-language", b"content-length", b"content-location", b"content-range", b"content-type", b"cookie",
    b"date", b"dnt", b"expect", b"forwarded", b"from", b"grpc-accept-encoding", b"grpc-encoding", b"grpc-timeout",
    b"host", b"if-match", b"if-modified-since", b"if-none-match", b"if-range", b"if-unmodified-since",
    b"idempotency-key", b"last-event-id", b"max-forwards", b"origin", b"pragma", b"priority", b"proxy-authorization",
    b"range", b"referer", b"save-data", b"sec-ch-ua", b"sec-ch-ua-mobile", b"sec-ch-ua-platform", b"sec-fetch-dest",
    b"sec-fetch-mode", b"sec-fetch-site", b"sec-fetch-user", b"sec-gpc", b"sec-purpose", b"sec-websocket-extensions",
    b"sec-websocket-key", b"sec-websocket-protocol", b"sec-websocket-version", b"te", b"traceparent", b"tracestate",
    b"trailer", b"true-client-ip", b"upgrade-insecure-requests", b"user-agent", b"via", b"x-amzn-trace-id",
    b"x-b3-parentspanid", b"x-b3-sampled", b"x-b3-spanid", b"x-b3-traceid", b"x-client-ip", b"x-correlation-id",
    b"x-csrf-token", b"x-envoy-expected-rq-timeout-ms", b"x-envoy-external-address", b"x-forwarded-client-cert",
    b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-port", b"x-forwarded-prefix", b"x-forwarded-proto",
    b"x-forwarded-server", b"x-http-method-override", b"x-original-uri", b"x-real-ip", b"x-request-id",
    b"x-request-start", b"x-requested-with", b"x-scheme",
]
# RFC 7541 7.1: what an attacker would like to find in a cache is never kept in one.
cdef frozenset SECRET_NAMES = frozenset([b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"])

# Open addressing over KNOWN_NAMES, which keeps them alive.
cdef void *known[KNOWN_SIZE]
memset(known, 0, sizeof(known))


cdef inline size_t name_place(const uint8_t *name, size_t size) noexcept:
    # `size` is at least 1.
    return (size * 0x9E3779B1U ^ name[0] * 0x85EBCA6BU ^ name[size - 1] * 0xC2B2AE35U ^ name[size >> 1] * 0x27D4EB2FU) >> 7


cdef int register_names() except -1:
    cdef bytes name
    cdef size_t at
    for name in KNOWN_NAMES:
        at = name_place(<const uint8_t *> PyBytes_AS_STRING(name), PyBytes_GET_SIZE(name)) % KNOWN_SIZE
        while known[at] != NULL:
            at = (at + 1) % KNOWN_SIZE
        known[at] = <void *> name
    return 0


register_names()


cdef bytes name_bytes(nghttp2_vec name):
    # The name as bytes: one of those above where it is known.
    cdef size_t at
    if name.len:
        at = name_place(name.base, name.len) % KNOWN_SIZE
        while known[at] != NULL:
            if <size_t> PyBytes_GET_SIZE(<object> known[at]) == name.len and not memcmp(
                PyBytes_AS_STRING(<object> known[at]), name.base, name.len
            ):
                return <bytes> known[at]
            at = (at + 1) % KNOWN_SIZE
    return PyBytes_FromStringAndSize(<const char *> name.base, name.len)


cdef class FieldCache:
    # nghttp2 hands out the same two buffers for each repetition of an indexed field, and as we hold them nobody
    # else can have their addresses: equal pointers are equal fields. One that is seen twice is judged for good.

    def __cinit__(self):
        memset(self.slots, 0, sizeof(self.slots))

    def __dealloc__(self):
        cdef int n
        for n in range(SLOTS):
            self.clear(&self.slots[n])

    cdef void clear(self, Slot *slot) noexcept:
        if slot.name != NULL:
            nghttp2_rcbuf_decref(slot.name)
            nghttp2_rcbuf_decref(slot.value)
            self.size -= slot.size
            if slot.field != NULL:
                Py_DECREF(<object> slot.field)
            memset(slot, 0, sizeof(Slot))

    cdef int add(self, Head head, nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags) except -1:
        # PLACES for each: a request has a dozen fields, and they must not push each other out.
        cdef size_t mixed = (<size_t> name * 31 + <size_t> value) * 0x9E3779B97F4A7C15U >> (64 - SLOT_BITS)
        cdef Slot *slot
        cdef nghttp2_vec n, v
        cdef bytes text
        cdef size_t k
        for k in range(PLACES):
            slot = &self.slots[mixed ^ k]
            if slot.name == name and slot.value == value:
                if slot.field == NULL:
                    return self.promote(slot, head)
                slot.hits = MAX_HITS
                head.take(<Field> slot.field)
                return 0
        n = nghttp2_rcbuf_get_buf(name)
        v = nghttp2_rcbuf_get_buf(value)
        text = name_bytes(n)
        if v.len <= MAX_CACHED_VALUE and not flags & NGHTTP2_NV_FLAG_NO_INDEX and text not in SECRET_NAMES:
            self.insert(mixed, name, value, n.len + v.len)
        head.add(text, PyBytes_FromStringAndSize(<const char *> v.base, v.len))
        return 0

    cdef int promote(self, Slot *slot, Head head) except -1:
        cdef nghttp2_vec v = nghttp2_rcbuf_get_buf(slot.value)
        cdef Field field = judge(
            name_bytes(nghttp2_rcbuf_get_buf(slot.name)), PyBytes_FromStringAndSize(<const char *> v.base, v.len)
        )
        Py_INCREF(field)
        slot.field = <void *> field
        slot.hits = MAX_HITS
        head.take(field)
        return 0

    cdef int insert(self, size_t mixed, nghttp2_rcbuf *name, nghttp2_rcbuf *value, Py_ssize_t size) noexcept:
        # An empty place, or that of a field which has not been seen for longest.
        cdef Slot *slot = &self.slots[mixed]
        cdef Slot *other
        cdef size_t k
        for k in range(1, PLACES):
            if slot.name == NULL:
                break
            other = &self.slots[mixed ^ k]
            if other.name == NULL or other.hits < slot.hits:
                slot = other
        if slot.hits > 0:
            slot.hits -= 1
            return 0
        if self.size - slot.size + size > MAX_CACHED_BYTES:
            # Make room for the next one: a place in turn that has not been hit.
            slot = &self.slots[self.hand]
            self.hand = (self.hand + 1) % SLOTS
            if slot.hits > 0:
                slot.hits -= 1
            else:
                self.clear(slot)
            return 0
        self.clear(slot)
        nghttp2_rcbuf_incref(name)
        nghttp2_rcbuf_incref(value)
        slot.name = name
        slot.value = value
        slot.size = size
        self.size += size
        return 0
