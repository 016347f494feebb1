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
    """What the application answers with.

    request   open --END_STREAM--> remote_ended
    answer    --respond--> head_held --take()--> head sent --end--> ended --last frame--> end_sent
    closed    once both have ended; or was_reset, by RST_STREAM from either side; or with the connection

    An answer that ends before its request: end_sent, then bytes are discarded up to a bound, then was_reset.
    """

    # The application's calls

    cpdef inform(self, int status, list fields):
        if self.is_open() and (not self.responded or self.head_held):
            self.submit_fields(status, fields, True, False)
            self.engine.wake()

    cpdef respond(self, int status, list fields, bint end):
        if not self.is_open() or self.responded:
            return
        self.responded = True
        self.status = status
        self.fields = fields
        self.ended = end
        if self.connect and 200 <= status < 300:
            self.tunnel = True
            self.meter = None
        self.request = None
        self.head_held = True
        self.engine.held.append(self)
        self.engine.wake()

    cpdef write(self, bytes chunk, bint end):
        cdef Engine engine = self.engine
        cdef Py_ssize_t size = PyBytes_GET_SIZE(chunk)
        if self.ended or not self.responded or not self.is_open():
            return
        if size:
            if engine.turns is not None and self.queued() == 0:
                self.waits_since = engine.turns.frames
            if self.queue is None:
                self.queue = ByteQueue.__new__(ByteQueue)
            self.queue.append(chunk)
            engine.queued += size
            if self.queue.size >= STREAM_HIGH:
                self.writable = False
            elif engine.queued >= CONNECTION_HIGH:
                self.writable = False
                engine.blocked = True
        self.ended = end
        if not self.incremental_given and (not end or self.queued() > ONE_FRAME):
            # RFC 9218 4.2 would send one answer to its end before the next: to a proxy's other clients that is a stall.
            self.incremental_given = True
            set_priority(self, self.urgency, True)
        if end and self.queued() == 0 and not self.head_held:
            self.hold_end()
        elif self.deferred:
            self.deferred = False
            nghttp2_session_resume_data(engine.session, self.id)
        engine.wake()

    cpdef finish(self, list trailers):
        if self.responded and not self.ended:
            self.trailers = trailers or None
            self.write(b"", True)

    cpdef grant(self, Py_ssize_t size):
        cdef Engine engine = self.engine
        size = min(size, self.owed)
        if size > 0 and self.is_open():
            self.owed -= size
            nghttp2_session_consume(engine.session, self.id, size)
            if engine.growth.consume(size):
                nghttp2_submit_ping(engine.session, NGHTTP2_FLAG_NONE, <const uint8_t *> PyBytes_AS_STRING(GROWTH_DATA))
            engine.wake()

    cpdef reset(self, int reason):
        cdef Engine engine = self.engine
        if not self.is_open():
            return
        self.was_reset = True
        self.head_held = self.end_held = False
        self.receiver = None
        self.writable = True
        self.drop_queue()
        nghttp2_submit_rst_stream(engine.session, NGHTTP2_FLAG_NONE, self.id, reason)
        engine.wake()

    cpdef prioritize(self, int urgency, int incremental):
        if self.is_open():
            self.own_urgency = urgency
            self.own_incremental = incremental
            if incremental >= 0:
                self.incremental_given = True
            begin_turns(self.engine)
            set_priority(self, self.urgency, self.incremental)

    cdef bint is_open(self) noexcept:
        return self.engine is not None and self.engine.session != NULL and not self.was_reset

    cdef Py_ssize_t queued(self) noexcept:
        return 0 if self.queue is None else self.queue.size

    # Bytes in

    cdef int take_head(self, bint ends) except -1:
        cdef Engine engine = self.engine
        cdef Head head = engine.head
        cdef Request request = head.request(engine.peer, ends, "2")
        self.remote_ended = ends
        if request is None:
            return self.refuse_head()
        self.connect = request.protocol is not None
        if not ends:
            self.meter = head.meter(request.length)
        request.dependency = self.dependency
        if self.priority is not None:
            request.priority = self.priority  # a frame overrides the field (RFC 9218 7)
        return self.begin(request)

    cdef int begin(self, Request request) except -1:
        self.request = request
        if request.priority is not None:
            take_priority(self, request.priority)
        receiver = self.engine.begin(request, self)
        if receiver is not None:
            self.receiver = <Receiver?> receiver
        elif not self.responded:
            self.reset(REFUSED_STREAM)
        return 0

    cdef int take_body(self, const uint8_t *data, size_t size) except -1:
        cdef int verdict
        if self.receiver is None or (self.ended and not self.tunnel):
            return self.discard(size)
        self.owed += size
        if self.meter is not None:
            verdict = self.meter.take(size)
            if verdict:
                return self.refuse_body(verdict)
        return self.gather_body(data, size)

    cdef int gather_body(self, const uint8_t *data, Py_ssize_t size) except -1:
        # An upload comes in DATA frames of 16 KiB, several to a read: the application hears of them at once.
        cdef Py_ssize_t capacity
        if self.body is not None and self.body_size + size > PyBytes_GET_SIZE(self.body):
            self.deliver_body()
        if self.body is None:
            capacity = LARGEST_BODY if size >= BULK else size
            if self.meter is not None and self.meter.length >= 0:
                capacity = min(self.meter.length - self.meter.received + size, capacity)
            self.body = PyBytes_FromStringAndSize(NULL, max(size, capacity))
            self.engine.receiving.append(self)
        memcpy(PyBytes_AS_STRING(self.body) + self.body_size, data, size)
        self.body_size += size
        return 0

    cdef int deliver_body(self) except -1:
        cdef PyObject *body
        cdef Py_ssize_t size = self.body_size
        if self.body is None:
            return 0
        if size < PyBytes_GET_SIZE(self.body):
            # Nobody else has seen it yet.
            body = <PyObject *> self.body
            Py_INCREF(self.body)
            self.body = None
            _PyBytes_Resize(&body, size)
            chunk = <bytes> body
            Py_DECREF(chunk)
        else:
            chunk, self.body = self.body, None
        self.body_size = 0
        if self.receiver is not None:
            self.receiver.on_body(chunk)
        return 0

    cdef int take_end(self, list trailers) except -1:
        cdef Receiver receiver
        self.deliver_body()
        receiver = self.receiver
        self.remote_ended = True
        self.request = None
        if receiver is None or (self.ended and not self.tunnel):
            return 0
        if self.meter is not None and self.meter.end():
            return self.refuse_body(VERDICT_RESET)
        receiver.on_end(trailers)
        return 0

    cdef int discard(self, Py_ssize_t size) except -1:
        # Credit is given up to the bound; above it the peer's window runs dry until RST_STREAM may be sent.
        cdef Engine engine = self.engine
        if engine.session == NULL:
            return 0
        self.discarded += size
        if self.discarded <= engine.max_discard:
            nghttp2_session_consume(engine.session, self.id, size)
            return 0
        nghttp2_session_consume_connection(engine.session, size)
        if self.end_sent:
            self.stop_upload()
        return 0

    cdef int on_end_sent(self) except -1:
        self.end_sent = True
        self.stamp = 0
        if not self.tunnel and not self.remote_ended and (
            self.engine.max_discard == 0 or self.discarded > self.engine.max_discard
        ):
            self.stop_upload()
        return 0

    cdef int stop_upload(self) except -1:
        # RFC 9113 8.1: the answer is complete, and nobody will read what is still to come of the request.
        self.reset(NO_ERROR)
        return 0

    cdef int refuse_head(self) except -1:
        cdef Engine engine = self.engine
        cdef Head head = engine.head
        engine.owner.on_fault(head.reason)
        if head.verdict == VERDICT_DROP:
            engine.terminate(ENHANCE_YOUR_CALM)
        elif head.verdict == VERDICT_RESET:
            self.reset(PROTOCOL_ERROR)
        else:
            engine.owner.refuse(self, head.refused(engine.peer, "2"), head.verdict, None)
        return 0

    cdef int refuse_body(self, int verdict) except -1:
        # Not what was announced, or too long: the exchange is over.
        cdef Receiver receiver
        cdef object owner = self.engine.owner
        self.deliver_body()
        receiver, self.receiver = self.receiver, None
        if verdict == VERDICT_RESET:
            owner.on_fault("a body that is not as long as its content-length, or wrong trailers")
            self.reset(PROTOCOL_ERROR)
        else:
            owner.on_fault("the body is longer than limit.request_body")
            if not self.responded:
                owner.refuse(self, self.request, verdict, receiver)
                return 0
            self.reset(CANCEL)
        if receiver is not None:
            receiver.on_lost()
        return 0

    # Bytes out

    cdef int submit_head(self) except -1:
        # All that is known by now may change how the head is sent: an answer without a body is one frame.
        cdef bint end = False
        self.head_held = False
        if self.ended and self.queued() == 0:
            end = self.trailers is None
            if not end and trailers_only(self.fields):
                self.fields = self.fields + self.trailers
                self.trailers = None
                end = True
            elif not end:
                self.hold_end()
        return self.submit_fields(self.status, self.fields, False, end)

    cdef int hold_end(self) except -1:
        # An end behind all DATA needs no window (RFC 9113 6.9), and nghttp2 would ask for it only where there is one.
        self.end_held = True
        self.engine.held.append(self)
        return 0

    cdef int submit_fields(self, int status, list fields, bint interim, bint end) except -1:
        cdef nghttp2_nv stack[STACK_NV]
        cdef nghttp2_nv *nva = stack
        cdef nghttp2_data_provider provider
        cdef bytes code = STATUSES[status]
        cdef uint8_t flags = NGHTTP2_NV_FLAG_NONE
        cdef Py_ssize_t count = PyList_GET_SIZE(fields) + 1
        if count > STACK_NV:
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

    cdef int submit_end(self) except -1:
        self.end_held = False
        if self.trailers is not None:
            return self.submit_trailers()
        # HEADERS without fields, of which the outbox makes DATA.
        nghttp2_submit_trailer(self.engine.session, self.id, NULL, 0)
        return 0

    cdef int submit_trailers(self) except -1:
        cdef nghttp2_nv *nva = <nghttp2_nv *> malloc(PyList_GET_SIZE(self.trailers) * sizeof(nghttp2_nv))
        if nva == NULL:
            raise MemoryError
        try:
            nghttp2_submit_trailer(self.engine.session, self.id, nva, fill(nva, self.trailers, NGHTTP2_NV_FLAG_NONE))
        finally:
            free(nva)
        return 0

    cdef int send_payload(self, Py_ssize_t size) except -1:
        # `size` bytes of the queue go into the DATA frame whose header is in the outbox.
        self.queue.move(self.engine.outbox, size)
        self.progressed = True
        self.engine.queued -= size
        # One with nothing queued may always go on: others, whose windows are closed, may fill the connection's queue.
        if not self.queue.size or self.engine.queued < CONNECTION_HIGH:
            self.check_writable()
        return 0

    cdef int check_writable(self) except -1:
        if not self.writable and self.queued() <= STREAM_LOW:
            self.writable = True
            if self.receiver is not None:
                self.receiver.on_writable()
        return 0

    cdef int drop_queue(self) except -1:
        if self.owed and self.engine.session != NULL:
            nghttp2_session_consume_connection(self.engine.session, self.owed)
        self.owed = 0
        self.engine.queued -= self.queued()
        self.queue = None
        return 0

    # The end

    cdef int expire(self, double now, double stall, double discard) except -1:
        cdef bint discarding = self.end_sent and not self.remote_ended and not self.tunnel
        cdef bint waiting = self.responded and not self.end_sent and (self.ended or self.queued() > 0)
        if self.was_reset or not (discarding or waiting):
            self.stamp = 0
        elif self.stamp == 0 or (waiting and self.progressed):
            self.stamp = now
        elif discarding:
            if now - self.stamp >= discard:
                self.stop_upload()
        elif now - self.stamp > stall:
            self.give_up("a stream's window stays shut")
        self.progressed = False
        return 0

    cdef int give_up(self, str reason) except -1:
        cdef Receiver receiver = None if self.ended and not self.tunnel else self.receiver
        self.engine.owner.on_fault(reason)
        self.reset(CANCEL)
        if receiver is not None:
            receiver.on_lost()
        return 0

    cdef int close(self) except -1:
        # nghttp2 is done with this stream, or the connection is: the one place where it ends.
        cdef Receiver receiver
        if self.engine is None:
            return 0
        self.deliver_body()
        receiver = self.receiver
        self.drop_queue()
        self.engine = None
        self.receiver = None
        self.request = None
        self.head_held = self.end_held = False
        self.writable = True
        if receiver is not None and not (self.ended and (self.remote_ended or not self.tunnel)):
            receiver.on_lost()
        return 0
