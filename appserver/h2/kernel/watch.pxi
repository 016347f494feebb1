# What is followed beside nghttp2: frame headers, CONTINUATION frames, and which closed streams may still hear.


cdef class FrameWatch:
    def __cinit__(self):
        self.skip = 24  # the preface
        memset(self.closed, 0, sizeof(self.closed))
        memset(self.expected, 0, sizeof(self.expected))

    cdef Py_ssize_t next_data(self, const uint8_t *data, Py_ssize_t size, Py_ssize_t at) noexcept:
        # Return where the payload of the next DATA frame begins, at or after `at`; -1: none in these bytes.
        while at < size:
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
            if self.frame[3] == NGHTTP2_DATA:
                return at
        return -1

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
