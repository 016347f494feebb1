# One stream: the contract's calls down, and what the callbacks do with its frames.


cdef int fill(nghttp2_nv *nva, list fields, uint8_t flags) except -1:
    """Point `nva` at the bytes of `fields`; the caller keeps the list alive as `flags` demand."""
    cdef tuple pair
    cdef bytes name, value
    cdef int n = 0
    for pair in fields:
        name = pair[0]
        value = pair[1]
        nva[n].name = <uint8_t *> PyBytes_AS_STRING(name)
        nva[n].namelen = PyBytes_GET_SIZE(name)
        nva[n].value = <uint8_t *> PyBytes_AS_STRING(value)
        nva[n].valuelen = PyBytes_GET_SIZE(value)
        nva[n].flags = flags
        n += 1
    return n


cdef class Stream(ContractStream):
    # The application's calls

    cpdef inform(self, int status, list fields):
        if self.is_open() and not self.responded:
            self.send_head(status, fields, False, True)

    cpdef respond(self, int status, list fields, bint end):
        if self.is_open() and not self.responded:
            self.submit(status, fields, end)
            self.engine.wake()

    cpdef write(self, bytes chunk, bint end):
        cdef Engine engine = self.engine
        if self.ended or not self.is_open():
            return
        if PyBytes_GET_SIZE(chunk):
            self.enqueue(chunk)
        self.ended = end
        if not self.sharing and (not end or self.queued > ONE_FRAME):
            self.share()
        if self.deferred:
            self.deferred = False
            nghttp2_session_resume_data(engine.session, self.id)
        engine.wake()

    cpdef finish(self, list trailers):
        if trailers:
            self.trailers = trailers
        self.write(b"", True)

    cpdef grant(self, Py_ssize_t size):
        if not self.is_open():
            return
        size = min(size, self.owed)
        if size > 0:
            self.owed -= size
            nghttp2_session_consume(self.engine.session, self.id, size)
            self.engine.wake()

    cpdef reset(self, int reason):
        cdef Engine engine = self.engine
        if not self.is_open():
            return
        self.ended = True
        self.drop_queue()
        nghttp2_submit_rst_stream(engine.session, NGHTTP2_FLAG_NONE, self.id, reason)
        engine.wake()

    cdef bint is_open(self):
        return self.engine is not None and self.engine.session != NULL

    # Bytes in

    cdef int take_head(self, bint ends) except -1:
        cdef Engine engine = self.engine
        cdef Head head = engine.head
        cdef Request request = head.request(engine.peer, ends, "2")
        self.remote_ended = ends
        if request is None:
            return self.answer(head.verdict, head.reason)
        if not ends:
            self.meter = BodyMeter(request.length, head._limits.body)
        receiver = engine.begin(request, self)
        if receiver is not None:
            self.receiver = <Receiver?> receiver
        elif not self.responded and self.is_open():
            self.reset(REFUSED_STREAM)
        return 0

    cdef int take_body(self, const uint8_t *data, size_t size) except -1:
        cdef int verdict
        cdef Receiver receiver = self.receiver
        if receiver is None or self.ended:
            nghttp2_session_consume(self.engine.session, self.id, size)
            return 0
        self.owed += size
        verdict = self.meter.take(size)
        if verdict:
            return self.refuse_body(verdict)
        receiver.on_body(PyBytes_FromStringAndSize(<const char *> data, size))
        return 0

    cdef int refuse_body(self, int verdict) except -1:
        cdef Receiver receiver = self.receiver
        cdef bint answered = self.responded
        self.receiver = None
        if verdict != VERDICT_RESET and answered:
            self.reset(CANCEL)
        elif verdict == VERDICT_RESET:
            self.answer(verdict, "a body that is not as long as its content-length")
        else:
            self.answer(verdict, "the body is longer than limit.request_body")
        receiver.on_lost()
        return 0

    cdef int take_end(self, list trailers) except -1:
        cdef Receiver receiver = self.receiver
        self.remote_ended = True
        if receiver is None:
            return 0
        if self.meter is not None and self.meter.end() and not self.ended:
            return self.refuse_body(VERDICT_RESET)
        receiver.on_end(trailers)
        return 0

    cdef int answer(self, int verdict, str reason) except -1:
        cdef Engine engine = self.engine
        if verdict == VERDICT_DROP:
            engine.terminate(ENHANCE_YOUR_CALM)
        elif verdict == VERDICT_RESET:
            self.reset(PROTOCOL_ERROR)
        else:
            self.submit(verdict, NOTHING, True)
        engine.owner.on_fault(reason)
        return 0

    cdef int give_up(self) except -1:
        # The peer takes nothing of an answer that waits for it.
        cdef Receiver receiver = self.receiver
        cdef bint told = self.ended
        self.receiver = None
        self.reset(CANCEL)
        if receiver is not None and not told:
            receiver.on_lost()
        return 0

    cdef int close(self) except -1:
        # nghttp2 is done with this stream, or the connection is: the one place where it ends.
        cdef Engine engine = self.engine
        cdef Receiver receiver = self.receiver
        if engine is None:
            return 0
        self.drop_queue()
        if self.owed and engine.session != NULL:
            nghttp2_session_consume_connection(engine.session, self.owed)
        self.owed = 0
        self.engine = None
        self.receiver = None
        self.writable = True
        if receiver is not None and not self.ended:
            receiver.on_lost()
        return 0

    # Bytes out

    cdef int submit(self, int status, list fields, bint end) except -1:
        self.responded = True
        self.fields = fields
        self.ended = end
        self.send_head(status, fields, end, False)
        if end and not self.remote_ended:
            self.engine.forget(self)
        return 0

    cdef int send_head(self, int status, list fields, bint end, bint interim) except -1:
        cdef nghttp2_nv stack[MOST_NV]
        cdef nghttp2_nv *nva = stack
        cdef nghttp2_data_provider provider
        cdef bytes code = STATUSES[status]
        cdef uint8_t flags = NGHTTP2_NV_FLAG_NONE
        cdef Py_ssize_t count = PyList_GET_SIZE(fields) + 1
        if count > MOST_NV:
            nva = <nghttp2_nv *> malloc(count * sizeof(nghttp2_nv))
            if nva == NULL:
                raise MemoryError
        try:
            nva[0].name = <uint8_t *> b":status"
            nva[0].namelen = 7
            nva[0].value = <uint8_t *> PyBytes_AS_STRING(code)
            nva[0].valuelen = 3
            # The names and values outlive the frame: `self.fields` holds them until the stream closes.
            nva[0].flags = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE
            if not interim:
                flags = nva[0].flags
            fill(nva + 1, fields, flags)
            if interim:
                nghttp2_submit_headers(self.engine.session, NGHTTP2_FLAG_NONE, self.id, NULL, nva, count, NULL)
                self.engine.wake()
            elif end:
                nghttp2_submit_response(self.engine.session, self.id, nva, count, NULL)
            else:
                provider.source.ptr = <void *> self
                provider.read_callback = read_data
                nghttp2_submit_response(self.engine.session, self.id, nva, count, &provider)
        finally:
            if nva != stack:
                free(nva)
        return 0

    cdef int enqueue(self, bytes chunk) except -1:
        cdef Engine engine = self.engine
        cdef Py_ssize_t size = PyBytes_GET_SIZE(chunk)
        if self.chunk is None:
            self.chunk = chunk
            self.offset = 0
        elif self.chunks is None:
            self.chunks = [chunk]
        else:
            self.chunks.append(chunk)
        self.queued += size
        engine.queued += size
        if self.queued >= STREAM_HIGH:
            self.writable = False
        elif engine.queued >= CONNECTION_HIGH:
            self.writable = False
            engine.blocked = True
        return 0

    cdef int share(self) except -1:
        # By default nghttp2 serves one long response to its end before the next: to a proxy's other clients
        # that is a stall. RFC 9218 4.2: incremental streams take turns.
        cdef nghttp2_extpri priority
        self.sharing = True
        priority.urgency = 3
        priority.inc = 1
        nghttp2_session_change_extpri_stream_priority(self.engine.session, self.id, &priority, 1)
        return 0

    cdef int spent(self, Py_ssize_t size) except -1:
        # `size` bytes of the current chunk went out.
        self.moved = True
        self.offset += size
        self.queued -= size
        self.engine.queued -= size
        if self.offset == PyBytes_GET_SIZE(self.chunk):
            self.offset = 0
            self.chunk = None
            if self.chunks is not None:
                self.chunk = self.chunks.pop(0)
                if not self.chunks:
                    self.chunks = None
        return 0

    cdef drop_queue(self):
        if self.engine is not None:
            self.engine.queued -= self.queued
        self.queued = 0
        self.offset = 0
        self.chunk = None
        self.chunks = None

    cdef int send_trailers(self) except -1:
        cdef nghttp2_nv *nva = <nghttp2_nv *> malloc(PyList_GET_SIZE(self.trailers) * sizeof(nghttp2_nv))
        if nva == NULL:
            raise MemoryError
        try:
            nghttp2_submit_trailer(
                self.engine.session, self.id, nva, fill(nva, self.trailers, NGHTTP2_NV_FLAG_NONE)
            )
        finally:
            free(nva)
        return 0
