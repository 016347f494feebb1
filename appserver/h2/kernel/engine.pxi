# One session: bytes in, bytes out, the remembered fields, the end.


cdef class Engine:
    def __cinit__(self):
        self.session = NULL
        memset(self.slots, 0, sizeof(self.slots))

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
            if self.slots[n].field != NULL:
                nghttp2_rcbuf_decref(self.slots[n].name)
                nghttp2_rcbuf_decref(self.slots[n].value)
                Py_DECREF(<object> self.slots[n].field)

    cdef int greet(self, windows) except -1:
        cdef nghttp2_settings_entry settings[6]
        settings[0] = nghttp2_settings_entry(NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, 4096)
        settings[1] = nghttp2_settings_entry(NGHTTP2_SETTINGS_ENABLE_PUSH, 0)
        settings[2] = nghttp2_settings_entry(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, windows.streams)
        settings[3] = nghttp2_settings_entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, windows.stream)
        settings[4] = nghttp2_settings_entry(NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, windows.head)
        settings[5] = nghttp2_settings_entry(NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1)
        if nghttp2_submit_settings(self.session, NGHTTP2_FLAG_NONE, settings, 6):
            raise MemoryError
        nghttp2_session_set_local_window_size(self.session, NGHTTP2_FLAG_NONE, 0, windows.connection)
        return 0

    # Bytes in

    cpdef receive(self, bytes data):
        cdef ssize_t done
        cdef BaseException fault
        if self.session == NULL:
            return
        self.busy = True
        done = nghttp2_session_mem_recv(
            self.session, <const uint8_t *> PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data)
        )
        self.busy = False
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        if done < 0:
            self.fail(<int> done)

    cdef int fail(self, int code) except -1:
        if code == NGHTTP2_ERR_NOMEM:
            raise MemoryError
        if not self.terminated:
            self.owner.on_fault(nghttp2_strerror(code).decode("ascii"))
            self.terminate(PROTOCOL_ERROR if code == NGHTTP2_ERR_BAD_CLIENT_MAGIC else ENHANCE_YOUR_CALM)
        return 0

    cdef Field remember(self, nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags):
        # nghttp2 hands out the same two buffers for each repetition of an indexed field, and as we hold
        # them nobody else can have their addresses: equal pointers are equal fields.
        cdef size_t hashed = (<size_t> name >> 4) ^ (<size_t> value >> 4) ^ (<size_t> value >> 10)
        cdef Slot *slot = &self.slots[hashed % SLOTS]
        cdef nghttp2_vec n, v
        cdef Field field
        if slot.name == name and slot.value == value and slot.field != NULL:
            return <Field> slot.field
        n = nghttp2_rcbuf_get_buf(name)
        v = nghttp2_rcbuf_get_buf(value)
        field = judge(
            PyBytes_FromStringAndSize(<const char *> n.base, n.len),
            PyBytes_FromStringAndSize(<const char *> v.base, v.len),
        )
        if v.len <= REMEMBERED and not flags & NGHTTP2_NV_FLAG_NO_INDEX:
            nghttp2_rcbuf_incref(name)
            nghttp2_rcbuf_incref(value)
            Py_INCREF(field)
            if slot.field != NULL:
                nghttp2_rcbuf_decref(slot.name)
                nghttp2_rcbuf_decref(slot.value)
                Py_DECREF(<object> slot.field)
            slot.name = name
            slot.value = value
            slot.field = <void *> field
        return field

    # Bytes out

    cdef int wake(self) except -1:
        if not self.busy and self.owner is not None:
            self.owner.schedule()
        return 0

    cpdef list take(self, Py_ssize_t most):
        cdef const uint8_t *data = NULL
        cdef ssize_t size
        cdef list output
        cdef BaseException fault
        if self.session == NULL:
            return NO_FIELDS
        self.output = output = []
        self.room = most
        self.busy = True
        while self.room > 0:
            size = nghttp2_session_mem_send(self.session, &data)
            if size > 0:
                self.put(data, size)
            elif size < 0 or self.room <= 0 or not self.unfinished or not self.end_unfinished():
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
        if not stream.writable and stream.queued <= STREAM_LOW and self.queued < CONNECTION_HIGH:
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

    cdef bint end_unfinished(self) except -1:
        cdef Stream stream
        cdef list unfinished
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

    def notice(self):
        if self.session != NULL:
            nghttp2_submit_shutdown_notice(self.session)
            nghttp2_submit_ping(self.session, NGHTTP2_FLAG_NONE, NULL)
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
