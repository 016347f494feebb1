# One session: bytes in, bytes out, the remembered fields, the end.


cdef int clear_slot(Slot *slot) except -1:
    if slot.field != NULL:
        nghttp2_rcbuf_decref(slot.name)
        nghttp2_rcbuf_decref(slot.value)
        Py_DECREF(<object> slot.field)
    memset(slot, 0, sizeof(Slot))
    return 0


cdef class Engine:
    def __cinit__(self):
        self.session = NULL
        memset(self.slots, 0, sizeof(self.slots))
        memset(self.closed, 0, sizeof(self.closed))
        self.skip = 24
        memset(self.expected, 0, sizeof(self.expected))

    def __init__(self, owner, Head head, Peer peer, windows):
        cdef nghttp2_option *option = NULL
        self.owner = owner
        self.begin = owner.begin
        self.head = head
        self.peer = peer
        self.unfinished = []
        if nghttp2_option_new(&option):
            raise MemoryError
        nghttp2_option_set_no_auto_window_update(option, 1)
        nghttp2_option_set_no_http_messaging(option, 1)
        nghttp2_option_set_no_closed_streams(option, 1)
        nghttp2_option_set_max_send_header_block_length(option, HEAD_BYTES)
        # Below 1.70 partial frame headers are counted as well: up to nine for each CONTINUATION.
        raise_continuation_limit(option, (CONTINUATIONS + 1) * 9)
        failed = nghttp2_session_server_new2(&self.session, callbacks, <void *> self, option)
        nghttp2_option_del(option)
        if failed:
            raise MemoryError
        self.greet(windows)

    def __dealloc__(self):
        cdef int n
        if self.session != NULL:
            nghttp2_session_del(self.session)
        for n in range(SLOTS):
            clear_slot(&self.slots[n])

    cdef int greet(self, windows) except -1:
        cdef nghttp2_settings_entry settings[6]
        settings[0] = nghttp2_settings_entry(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 4096)
        settings[1] = nghttp2_settings_entry(NGHTTP2_SETTINGS_ENABLE_PUSH, 0)
        # nghttp2 ends the connection of a peer that opens one too many, where RFC 9113 5.1.2 wants the stream
        # refused. It is told of no limit, the peer of ours, and `on_begin_headers` enforces it.
        settings[2] = nghttp2_settings_entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, UNLIMITED)
        settings[3] = nghttp2_settings_entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, windows.stream)
        settings[4] = nghttp2_settings_entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, windows.head)
        settings[5] = nghttp2_settings_entry(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1)
        if nghttp2_submit_settings(self.session, NGHTTP2_FLAG_NONE, settings, 6):
            raise MemoryError
        nghttp2_session_set_local_window_size(self.session, NGHTTP2_FLAG_NONE, 0, windows.connection)
        self.most = windows.streams
        greeting = b"".join(self.take(SCRATCH))
        limit = 9 + 2 * 6 + 2
        assert greeting[limit - 2 : limit + 4] == b"\x00\x03\x7f\xff\xff\xff"
        self.greeting = greeting[:limit] + int(self.most).to_bytes(4, "big") + greeting[limit + 4 :]
        return 0

    # Bytes in

    cpdef receive(self, bytes data):
        # nghttp2 drops DATA for streams that it has forgotten without a word, and RFC 9113 5.1 wants an
        # error: frame headers are followed here, and each DATA frame is looked at before nghttp2 sees it.
        cdef const uint8_t *bytes_in = <const uint8_t *> PyBytes_AS_STRING(data)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef Py_ssize_t fed = 0, at = 0
        cdef int kind
        while at < size and not self.terminated:
            if self.skip >= size - at:
                self.skip -= size - at
                break
            at += self.skip
            self.skip = 0
            while self.scanned < 9 and at < size:
                self.frame[self.scanned] = bytes_in[at]
                self.scanned += 1
                at += 1
            if self.scanned < 9:
                break
            self.scanned = 0
            self.skip = self.frame[0] << 16 | self.frame[1] << 8 | self.frame[2]
            kind = self.frame[3]
            if kind == NGHTTP2_DATA and at > 9:
                self.feed(bytes_in + fed, at - 9 - fed)
                fed = at - 9
            if kind == NGHTTP2_DATA and self.is_late():
                return
        self.feed(bytes_in + fed, size - fed)

    cdef bint is_late(self) except -1:
        # Is the DATA frame in `frame` for a stream that is over?
        cdef int32_t stream_id = (
            (self.frame[5] & 0x7F) << 24 | self.frame[6] << 16 | self.frame[7] << 8 | self.frame[8]
        )
        self.settle()
        if self.session == NULL or self.terminated or not stream_id & 1 or stream_id > self.highest:
            return False
        if nghttp2_session_get_stream_user_data(self.session, stream_id) != NULL:
            return False
        return on_closed_stream(self, stream_id, NGHTTP2_DATA) != 0

    cdef void settle(self) noexcept:
        # HEADERS that nghttp2 did not announce were refused by it: more frames may follow them.
        if self.opening:
            self.expect_more(self.opening)
            self.opening = 0

    cdef int feed(self, const uint8_t *data, Py_ssize_t size) except -1:
        cdef ssize_t done
        cdef BaseException fault
        if self.session == NULL or size <= 0:
            return 0
        self.busy = True
        done = nghttp2_session_mem_recv(self.session, data, size)
        self.busy = False
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        if done < 0:
            self.fail(<int> done)
        return 0

    cdef int fail(self, int code) except -1:
        if code == NGHTTP2_ERR_NOMEM:
            raise MemoryError
        if not self.terminated:  # else it was stopped by us
            self.owner.on_fault(nghttp2_strerror(code).decode("ascii"))
            self.terminate(PROTOCOL_ERROR if code == NGHTTP2_ERR_BAD_CLIENT_MAGIC else ENHANCE_YOUR_CALM)
        return 0

    cdef void expect_more(self, int32_t stream_id) noexcept:
        self.expected[self.expected_at] = stream_id
        self.expected_at = (self.expected_at + 1) % REMEMBERED_STREAMS

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

    cdef Field remember(self, nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags):
        # nghttp2 hands out the same two buffers for each repetition of an indexed field, and as we hold
        # them nobody else can have their addresses: equal pointers are equal fields.
        # Two places for each: a request has a dozen fields, and they must not push each other out.
        cdef size_t mixed = (<size_t> name * 31 + <size_t> value) * 0x9E3779B97F4A7C15U
        cdef Slot *slot = &self.slots[mixed >> (64 - SLOT_BITS)]
        cdef Slot *second = &self.slots[(mixed >> (64 - SLOT_BITS)) ^ 1]
        cdef nghttp2_vec n, v
        cdef Field field
        cdef bytes name_bytes, value_bytes
        if slot.name == name and slot.value == value:
            return <Field> slot.field
        if second.name == name and second.value == value:
            return <Field> second.field
        n = nghttp2_rcbuf_get_buf(name)
        v = nghttp2_rcbuf_get_buf(value)
        name_bytes = PyBytes_FromStringAndSize(<const char *> n.base, n.len)
        value_bytes = PyBytes_FromStringAndSize(<const char *> v.base, v.len)
        if v.len > REMEMBERED or flags & NGHTTP2_NV_FLAG_NO_INDEX:
            return judge(name_bytes, value_bytes)
        field = judge(name_bytes, value_bytes)
        nghttp2_rcbuf_incref(name)
        nghttp2_rcbuf_incref(value)
        Py_INCREF(field)
        clear_slot(second)
        second[0] = slot[0]
        slot.name = name
        slot.value = value
        slot.field = <void *> field
        return field

    # Bytes out

    cdef int wake(self) except -1:
        if not self.busy and not self.corked and self.owner is not None:
            self.owner.schedule()
        return 0

    cpdef list take(self, Py_ssize_t most):
        cdef const uint8_t *data = NULL
        cdef ssize_t size = 0
        cdef list output
        cdef BaseException fault
        if self.session == NULL:
            return NO_FIELDS
        self.output = output = []
        if self.greeting is not None:
            output.append(self.greeting)
            self.greeting = None
        self.room = most
        self.busy = True
        while self.room > 0:
            size = nghttp2_session_mem_send(self.session, &data)
            if size > 0:
                self.put(data, size)
            elif size < 0 or self.room <= 0 or not self.follow_up():
                break
        self.busy = False
        self.seal()
        self.output = None
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        if size == NGHTTP2_ERR_NOMEM:
            raise MemoryError
        if self.blocked and self.queued <= CONNECTION_LOW:
            self.unblock()
        return output

    cdef int put(self, const uint8_t *data, Py_ssize_t size) except -1:
        global scratch_used
        self.room -= size
        if scratch_used + size > SCRATCH:
            self.seal()
        if size > SCRATCH:
            self.output.append(PyBytes_FromStringAndSize(<const char *> data, size))
            return 0
        memcpy(scratch + scratch_used, data, size)
        scratch_used += size
        return 0

    cdef int seal(self) except -1:
        global scratch_used
        if scratch_used:
            self.output.append(PyBytes_FromStringAndSize(<const char *> scratch, scratch_used))
            scratch_used = 0
        return 0

    cdef int put_payload(self, Stream stream, Py_ssize_t size) except -1:
        cdef Py_ssize_t part
        while size:
            part = min(size, PyBytes_GET_SIZE(stream.chunk) - stream.offset)
            if part >= UNCOPIED:
                self.seal()
                self.room -= part
                if part == PyBytes_GET_SIZE(stream.chunk):
                    self.output.append(stream.chunk)
                else:
                    self.output.append(memoryview(stream.chunk)[stream.offset : stream.offset + part])
            else:
                self.put(<const uint8_t *> PyBytes_AS_STRING(stream.chunk) + stream.offset, part)
            stream.spent(part)
            size -= part
        # One with nothing queued may always go on: others, whose windows are closed, may fill the connection's queue.
        if not stream.writable and stream.queued <= STREAM_LOW and (not stream.queued or self.queued < CONNECTION_HIGH):
            stream.writable = True
            if stream.receiver is not None:
                stream.receiver.on_writable()
        return 0

    cdef int unblock(self) except -1:
        cdef Stream stream = self.streams
        self.blocked = False
        while stream is not None:
            if not stream.writable and stream.queued <= STREAM_LOW:
                stream.writable = True
                if stream.receiver is not None:
                    stream.receiver.on_writable()
            stream = stream.after
        return 0

    cdef int forget(self, Stream stream) except -1:
        # Its whole answer is on its way, the request is not complete and nobody will read it.
        self.unfinished.append(stream)
        return 0

    cdef bint follow_up(self) except -1:
        # Queue what must not overtake what was queued before; tell whether there is any.
        cdef Stream stream
        cdef list unfinished
        if self.ping_due:
            self.ping_due = False
            nghttp2_submit_ping(self.session, NGHTTP2_FLAG_NONE, NULL)
            return True
        if not self.unfinished:
            return False
        unfinished, self.unfinished = self.unfinished, []
        for stream in unfinished:
            if stream.engine is not None and not stream.remote_ended:
                nghttp2_submit_rst_stream(self.session, NGHTTP2_FLAG_NONE, stream.id, NO_ERROR)
        return True

    # The end

    @property
    def ended(self):
        if self.session == NULL:
            return True
        return not nghttp2_session_want_read(self.session) and not nghttp2_session_want_write(self.session)

    def expire(self, double now, double seconds):
        cdef Stream stream = self.streams
        cdef Stream after
        while stream is not None:
            after = stream.after
            if not stream.responded or not (stream.queued or stream.ended):
                stream.stamp = 0
            elif stream.moved or stream.stamp == 0:
                stream.stamp = now
            elif now - stream.stamp > seconds:
                self.owner.on_fault("a stream's window stays shut")
                stream.give_up()
            stream.moved = False
            stream = after

    def notice(self):
        if self.session != NULL:
            nghttp2_submit_shutdown_notice(self.session)
            self.ping_due = True
            self.wake()

    def goaway(self):
        if self.session != NULL and not self.terminated:
            nghttp2_submit_goaway(
                self.session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(self.session), NO_ERROR,
                NULL, 0,
            )
            self.wake()

    def terminate(self, uint32_t code):
        if self.session != NULL and not self.terminated:
            self.terminated = True
            nghttp2_session_terminate_session(self.session, code)
            self.wake()

    def lose(self):
        cdef nghttp2_session *session = self.session
        self.session = NULL
        while self.streams is not None:
            leave(self, self.streams)
        self.owner = None
        self.begin = None
        self.unfinished = []
        if session != NULL:
            nghttp2_session_del(session)

    cdef int park(self, BaseException error) except -1:
        if self.fault is None:
            self.fault = error
        return 0


cdef int join(Engine engine, Stream stream) except -1:
    # nghttp2 holds the reference that `leave` drops.
    stream.after = engine.streams
    if engine.streams is not None:
        engine.streams.before = stream
    engine.streams = stream
    engine.inflight += 1
    Py_INCREF(stream)
    return 0


cdef int leave(Engine engine, Stream stream) except -1:
    if stream.before is not None:
        stream.before.after = stream.after
    else:
        engine.streams = stream.after
    if stream.after is not None:
        stream.after.before = stream.before
    stream.before = None
    stream.after = None
    engine.inflight -= 1
    if engine.last is stream:
        engine.last = None
    try:
        stream.close()
    finally:
        Py_DECREF(stream)
    return 0
