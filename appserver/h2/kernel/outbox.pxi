# What leaves: the buffers of one take(), and the queue of one stream's body.

# Lent to the take() in progress: no connection keeps one, and loops in several threads never share one.
cdef uint8_t *spare_scratch = NULL


@cython.final
@cython.freelist(64)
cdef class Slice:
    """Some bytes of a longer body, for the transport: a memoryview at a third of its price."""

    def __len__(self):
        return self.size

    def __getbuffer__(self, Py_buffer *view, int flags):
        PyBuffer_FillInfo(view, self, PyBytes_AS_STRING(self.chunk) + self.offset, self.size, 1, flags)


cdef Slice make_slice(bytes chunk, Py_ssize_t offset, Py_ssize_t size):
    cdef Slice part = Slice.__new__(Slice)
    part.chunk = chunk
    part.offset = offset
    part.size = size
    return part


cdef class Outbox:
    def __dealloc__(self):
        free(self.scratch)

    cdef int begin(self, Py_ssize_t max_bytes) except -1:
        global spare_scratch
        self.buffers = []
        self.used = 0
        self.remaining = max_bytes
        if self.scratch == NULL:
            self.scratch, spare_scratch = spare_scratch, NULL
            if self.scratch == NULL:
                self.scratch = <uint8_t *> malloc(SCRATCH)
                if self.scratch == NULL:
                    raise MemoryError
        return 0

    cdef list end(self):
        global spare_scratch
        cdef list buffers = self.buffers
        self.seal()
        self.buffers = None
        if spare_scratch == NULL:
            spare_scratch, self.scratch = self.scratch, NULL
        else:
            free(self.scratch)
            self.scratch = NULL
        return buffers

    cdef int copy(self, const uint8_t *data, Py_ssize_t size) except -1:
        self.remaining -= size
        if self.used + size > SCRATCH:
            self.seal()
        if size > SCRATCH:
            self.buffers.append(PyBytes_FromStringAndSize(<const char *> data, size))
            return 0
        memcpy(self.scratch + self.used, data, size)
        self.used += size
        return 0

    cdef void make_data(self) noexcept:
        # The frame that was copied last is HEADERS without a field: END_STREAM, which DATA says as well.
        self.scratch[self.used - 6] = NGHTTP2_DATA
        self.scratch[self.used - 5] = NGHTTP2_FLAG_END_STREAM

    cdef int refer(self, bytes chunk, Py_ssize_t offset, Py_ssize_t size) except -1:
        # A part of a body: large ones are handed to the transport without a copy.
        if size < UNCOPIED:
            return self.copy(<const uint8_t *> PyBytes_AS_STRING(chunk) + offset, size)
        self.seal()
        self.remaining -= size
        if size == PyBytes_GET_SIZE(chunk):
            self.buffers.append(chunk)
        else:
            self.buffers.append(make_slice(chunk, offset, size))
        return 0

    cdef int seal(self) except -1:
        if self.used:
            self.buffers.append(PyBytes_FromStringAndSize(<const char *> self.scratch, self.used))
            self.used = 0
        return 0


@cython.final
@cython.freelist(64)
cdef class ByteQueue:
    cdef int append(self, bytes chunk) except -1:
        cdef Py_ssize_t size = PyBytes_GET_SIZE(chunk)
        self.size += size
        if self.chunk is None:
            self.chunk = chunk
            return 0
        # An object for each byte would cost forty: small writes behind others are gathered.
        if size < GATHERED:
            if self.tail is None:
                self.tail = bytearray()
            self.tail += chunk
            if len(self.tail) >= GATHERED * 4:
                self.gather()
            return 0
        if self.tail is not None:
            self.gather()
        if self.chunks is None:
            self.chunks = []
        self.chunks.append(chunk)
        return 0

    cdef int gather(self) except -1:
        cdef bytes chunk = bytes(self.tail)
        self.tail = None
        if self.chunks is None:
            self.chunks = []
        self.chunks.append(chunk)
        return 0

    cdef int move(self, Outbox outbox, Py_ssize_t size) except -1:
        # Hand the first `size` bytes over; there are as many.
        cdef Py_ssize_t part
        while size:
            part = min(size, PyBytes_GET_SIZE(self.chunk) - self.offset)
            outbox.refer(self.chunk, self.offset, part)
            self.offset += part
            self.size -= part
            size -= part
            if self.offset == PyBytes_GET_SIZE(self.chunk):
                self.advance()
        return 0

    cdef int advance(self) except -1:
        self.offset = 0
        self.chunk = None
        if self.chunks is None and self.tail is not None:
            self.gather()
        if self.chunks is not None:
            self.chunk = <bytes> self.chunks[self.first]
            self.chunks[self.first] = None
            self.first += 1
            if self.first == PyList_GET_SIZE(self.chunks):
                self.chunks = None
                self.first = 0
            elif self.first >= 64:
                del self.chunks[: self.first]
                self.first = 0
        return 0
