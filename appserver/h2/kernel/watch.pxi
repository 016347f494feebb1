# What is followed beside nghttp2: frame headers, CONTINUATION frames, priority frames, of which it knows none without
# RFC 7540's priorities (and asserts on some, CVE-2026-27135), and which closed streams may still hear.


cdef class FrameWatch:
    def __cinit__(self):
        self.skip = 24  # the preface
        memset(self.closed, 0, sizeof(self.closed))
        memset(self.expected, 0, sizeof(self.expected))

    cdef Py_ssize_t next_frame(self, const uint8_t *data, Py_ssize_t size, Py_ssize_t at) noexcept:
        # Return where the payload of the next DATA or cut frame begins, or where that of a priority frame ends, which then
        # is in `payload`; at or after `at`; -1: none is in these bytes.
        while at < size:
            if self.collecting:
                at = self.collect(data, size, at)
                if self.collecting:
                    return -1
                return at
            if self.skip >= size - at:
                self.skip -= size - at
                return -1
            at += self.skip
            self.skip = 0
            while self.scanned < 9 and at < size:
                self.frame[self.scanned] = data[at]
                self.scanned += 1
                at += 1
            if self.scanned < 9:
                return -1
            self.scanned = 0
            self.skip = self.frame[0] << 16 | self.frame[1] << 8 | self.frame[2]
            if self.frame[3] == NGHTTP2_DATA or self.is_cut():
                return at
            if self.frame[3] == NGHTTP2_PRIORITY or self.frame[3] == NGHTTP2_PRIORITY_UPDATE:
                self.payload_size = 0
                self.collecting = self.skip > 0
                if not self.collecting:
                    return at
        return -1

    cdef Py_ssize_t collect(self, const uint8_t *data, Py_ssize_t size, Py_ssize_t at) noexcept:
        # Of a payload that is far too long for what it is only the beginning is kept.
        cdef Py_ssize_t here = min(self.skip, size - at)
        cdef Py_ssize_t kept = min(here, PRIORITY_PAYLOAD - self.payload_size)
        memcpy(self.payload + self.payload_size, data + at, kept)
        self.payload_size += kept
        self.skip -= here
        self.collecting = self.skip > 0
        return at + here

    cdef bint is_cut(self) noexcept:
        # Is there no room for the pad length and the priority fields? RFC 9113 4.2; to nghttp2 it is wrong padding.
        if self.frame[3] > NGHTTP2_HEADERS or not self.frame[4] & NGHTTP2_FLAG_PADDED:
            return False
        return self.skip < (6 if self.frame[3] == NGHTTP2_HEADERS and self.frame[4] & NGHTTP2_FLAG_PRIORITY else 1)

    cdef int32_t stream_id(self) noexcept:
        # Of the frame header scanned last.
        return (self.frame[5] & 0x7F) << 24 | self.frame[6] << 16 | self.frame[7] << 8 | self.frame[8]

    cdef void expect_more(self, int32_t stream_id) noexcept:
        self.expected[self.expected_at] = stream_id
        self.expected_at = (self.expected_at + 1) % REMEMBERED_STREAMS

    cdef void note_closed(self, int32_t stream_id) noexcept:
        self.closed[self.closed_at] = stream_id
        self.closed_at = (self.closed_at + 1) % REMEMBERED_STREAMS

    cdef bint is_expected(self, int32_t stream_id) noexcept:
        cdef int n
        for n in range(REMEMBERED_STREAMS):
            if self.expected[n] == stream_id:
                return True
        return False

    cdef bint was_open(self, int32_t stream_id) noexcept:
        cdef int n
        for n in range(REMEMBERED_STREAMS):
            if self.closed[n] == stream_id:
                return True
        return False

    cdef void settle(self) noexcept:
        # HEADERS that nghttp2 did not announce were refused by it: more frames may follow them.
        if self.opening:
            self.expect_more(self.opening)
            self.opening = 0
