# One session: bytes in, bytes out, the windows, the end.


cdef bytes settings_frame(list entries):
    """Return a SETTINGS frame (RFC 9113 6.5) of (identifier, value) pairs."""
    cdef bytes payload = b"".join([
        identifier.to_bytes(2, "big") + value.to_bytes(4, "big") for identifier, value in entries
    ])
    return len(payload).to_bytes(3, "big") + bytes([NGHTTP2_SETTINGS, 0, 0, 0, 0, 0]) + payload


cdef nghttp2_option *make_options() except NULL:
    cdef nghttp2_option *option = NULL
    if nghttp2_option_new(&option):
        raise MemoryError
    nghttp2_option_set_no_auto_window_update(option, 1)
    nghttp2_option_set_no_http_messaging(option, 1)
    nghttp2_option_set_no_closed_streams(option, 1)
    nghttp2_option_set_max_send_header_block_length(option, HEAD_BYTES)
    # Below 1.70 partial frame headers are counted as well: up to nine for each CONTINUATION.
    set_continuation_limit(option, (CONTINUATIONS + 1) * 9)
    # A proxy passes on its clients' cancels, all on a few connections: the library's own 33 a second ends it.
    set_reset_limit(option, RESET_BURST, RESET_RATE)
    return option


cdef class Engine:
    def __cinit__(self):
        self.session = NULL

    def __init__(self, owner, Head head, Peer peer, settings):
        cdef nghttp2_option *option
        self.owner = owner
        self.begin = owner.begin
        self.head = head
        self.peer = peer
        self.fields = FieldCache.__new__(FieldCache)
        self.watch = FrameWatch.__new__(FrameWatch)
        self.outbox = Outbox.__new__(Outbox)
        self.growth = WindowGrowth(settings.stream_window, settings.max_window)
        self.held = []
        self.receiving = []
        self.max_streams = settings.max_concurrent_streams
        self.last_announced = HIGHEST_STREAM
        self.connection_window = settings.connection_window
        option = make_options()
        failed = nghttp2_session_server_new2(&self.session, callbacks, <void *> self, option)
        nghttp2_option_del(option)
        if failed:
            raise MemoryError
        self.submit_settings(settings)

    def __dealloc__(self):
        if self.session != NULL:
            nghttp2_session_del(self.session)

    cdef int submit_settings(self, settings) except -1:
        # nghttp2 ends the connection of a peer that opens one stream too many, where RFC 9113 5.1.2 wants the stream
        # refused. So it knows of no limit, its SETTINGS frame is dropped for ours, and `on_begin_headers` enforces it.
        cdef nghttp2_settings_entry entries[MAX_SETTINGS]
        cdef const uint8_t *frame = NULL
        cdef size_t count = 0
        cdef list advertised = settings.advertised()
        for identifier, value in advertised:
            if identifier != NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS:
                entries[count] = nghttp2_settings_entry(identifier, value)
                count += 1
        if nghttp2_submit_settings(self.session, NGHTTP2_FLAG_NONE, entries, count):
            raise MemoryError
        if nghttp2_session_mem_send(self.session, &frame) <= 0:
            raise MemoryError
        nghttp2_session_set_local_window_size(self.session, NGHTTP2_FLAG_NONE, 0, <int32_t> self.connection_window)
        self.settings = settings_frame(advertised)
        return 0

    # Bytes in

    cpdef upgrade(self, Request request, bytes settings):
        cdef Stream stream
        cdef int failed
        self.busy = True
        failed = nghttp2_session_upgrade2(
            self.session, <const uint8_t *> PyBytes_AS_STRING(settings), PyBytes_GET_SIZE(settings), request.method == "HEAD", NULL
        )
        if failed:
            raise AssertionError(nghttp2_strerror(failed).decode("ascii"))
        self.watch.highest = 1
        stream = Stream.__new__(Stream)
        stream.engine = self
        stream.id = 1
        stream.writable = stream.remote_ended = True
        join(self, stream)
        stream.begin(request)
        self.busy = False

    cpdef receive(self, data, Py_ssize_t size):
        # nghttp2 drops DATA for streams that it has forgotten without a word, and RFC 9113 5.1 wants an error: each DATA
        # frame is looked at before nghttp2 sees it. Priority frames are read after nghttp2 has seen them, and in their place.
        cdef const uint8_t *base
        cdef Py_ssize_t fed = 0, at = 0
        if isinstance(data, bytearray):
            base = <const uint8_t *> PyByteArray_AS_STRING(data)
            size = min(size, PyByteArray_GET_SIZE(data))
        else:
            base = <const uint8_t *> PyBytes_AS_STRING(<bytes?> data)
            size = min(size, PyBytes_GET_SIZE(data))
        while not self.terminated:
            at = self.watch.next_frame(base, size, at)
            if at < 0:
                break
            if self.watch.frame[3] > NGHTTP2_HEADERS:
                self.feed(base + fed, at - fed)
                fed = at
                if not self.take_signal():
                    self.deliver_bodies()
                    return
                continue
            if at > 9:
                self.feed(base + fed, at - 9 - fed)
                fed = at - 9
            if self.watch.is_cut():
                self.refuse_frame(FRAME_SIZE_ERROR, "a padded frame without room for its pad length")
                self.deliver_bodies()
                return
            if self.is_late():
                self.deliver_bodies()
                return
        self.feed(base + fed, size - fed)
        self.deliver_bodies()

    cdef int deliver_bodies(self) except -1:
        cdef Stream stream
        cdef list receiving
        if self.receiving:
            receiving, self.receiving = self.receiving, []
            self.busy = True
            for stream in receiving:
                stream.deliver_body()
            self.busy = False
        return 0

    cdef bint is_late(self) except -1:
        # Is the DATA frame that comes for a stream that is over?
        cdef int32_t stream_id = self.watch.stream_id()
        self.watch.settle()
        if self.session == NULL or self.terminated or not stream_id & 1 or stream_id > self.watch.highest:
            return False
        if nghttp2_session_get_stream_user_data(self.session, stream_id) != NULL:
            return False
        return on_closed_stream(self, stream_id, NGHTTP2_DATA) != 0

    cdef int refuse_frame(self, uint32_t code, str reason) except -1:
        if self.session != NULL and not self.terminated:
            self.owner.on_fault(reason)
            self.terminate(code)
        return 0

    cdef bint take_signal(self) except -1:
        # The priority frame in `watch`: False if it, or what came before it, ended the connection.
        cdef FrameWatch watch = self.watch
        if self.session == NULL or self.terminated:
            return False
        if watch.frame[3] == NGHTTP2_PRIORITY and (watch.payload_size != 5 or not watch.stream_id()):
            return True  # nghttp2 has refused it
        if self.signals is None:
            self.signals = PrioritySignals(self.max_streams)
        try:
            self.read_signal(PyBytes_FromStringAndSize(<const char *> watch.payload, watch.payload_size))
        except BrokenPriority as error:
            self.refuse_frame(error.code, error.reason)
            return False
        return True

    cdef int read_signal(self, bytes payload) except -1:
        cdef int32_t number = self.watch.stream_id()
        cdef tuple dependency = None
        cdef tuple priority = None
        cdef Stream stream
        cdef void *known
        if self.watch.frame[3] == NGHTTP2_PRIORITY:
            dependency = self.signals.take_dependency(number, payload, self.watch.highest)
        else:
            number, priority = self.signals.take_update(number, payload, self.watch.highest, self.inflight)
        known = nghttp2_session_get_stream_user_data(self.session, number)
        if known == NULL:
            return 0
        stream = <Stream> known
        if stream.request is not None and dependency is not None:
            stream.request.dependency = dependency
        if priority is not None:
            if stream.request is not None:
                stream.request.priority = priority
            take_priority(stream, priority)
        return 0

    cdef int open_signalled(self, Stream stream) except -1:
        # What was said of a stream before it was opened.
        cdef tuple dependency
        stream.priority, dependency = self.signals.on_open(stream.id)
        if stream.dependency is None:
            stream.dependency = dependency
        return 0

    cdef int feed(self, const uint8_t *data, Py_ssize_t size) except -1:
        cdef ssize_t done
        if self.session == NULL or size <= 0:
            return 0
        self.busy = True
        done = nghttp2_session_mem_recv(self.session, data, size)
        self.busy = False
        self.raise_fault()
        if done < 0:
            self.on_failure(<int> done)
        return 0

    cdef int on_failure(self, int code) except -1:
        if code == NGHTTP2_ERR_NOMEM:
            raise MemoryError
        if not self.terminated:  # else it was stopped by us
            self.owner.on_fault(nghttp2_strerror(code).decode("ascii"))
            self.terminate(PROTOCOL_ERROR if code == NGHTTP2_ERR_BAD_CLIENT_MAGIC else ENHANCE_YOUR_CALM)
        return 0

    cdef int grow_windows(self) except -1:
        # The PING of a measurement came back.
        cdef nghttp2_settings_entry entry
        cdef long long window = self.growth.on_pong()
        if window and self.session != NULL:
            entry = nghttp2_settings_entry(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, <uint32_t> window)
            nghttp2_submit_settings(self.session, NGHTTP2_FLAG_NONE, &entry, 1)
            if window > self.connection_window:
                self.connection_window = window
                nghttp2_session_set_local_window_size(self.session, NGHTTP2_FLAG_NONE, 0, <int32_t> window)
            self.wake()
        return 0

    # Bytes out

    cdef int wake(self) except -1:
        if not self.busy and not self.corked and self.owner is not None:
            self.owner.schedule()
        return 0

    cpdef list take(self, Py_ssize_t max_bytes):
        cdef const uint8_t *data = NULL
        cdef ssize_t size = 0
        cdef list buffers
        if self.session == NULL:
            return []
        self.busy = True
        self.outbox.begin(max_bytes)
        if self.settings is not None:
            self.outbox.copy(<const uint8_t *> PyBytes_AS_STRING(self.settings), PyBytes_GET_SIZE(self.settings))
            self.settings = None
        while self.outbox.remaining > 0:
            if self.held:
                self.submit_heads()
            size = nghttp2_session_mem_send(self.session, &data)
            if size > 0:
                self.outbox.copy(data, size)
                if size == FRAME_HEADER and data[3] == NGHTTP2_HEADERS:
                    self.outbox.make_data()
            elif size < 0 or self.outbox.remaining <= 0:
                break
            elif not (self.held or self.submit_ping() or (self.turns is not None and self.turns.let_all_go_on(self))):
                break
        buffers = self.outbox.end()
        self.busy = False
        self.raise_fault()
        if size == NGHTTP2_ERR_NOMEM:
            raise MemoryError
        if self.blocked and self.queued <= CONNECTION_LOW:
            self.unblock()
        return buffers

    cdef int submit_heads(self) except -1:
        cdef Stream stream
        cdef list held = self.held
        self.held = []
        for stream in held:
            if stream.head_held:
                stream.submit_head()
            elif stream.end_held:
                stream.submit_end()
        return 0

    cdef bint submit_ping(self) except -1:
        # nghttp2 sends PING before all else, and this one must not overtake what was queued before.
        if not self.ping_due:
            return False
        self.ping_due = False
        nghttp2_submit_ping(self.session, NGHTTP2_FLAG_NONE, NULL)
        return True

    cdef int unblock(self) except -1:
        cdef Stream stream = self.streams
        self.blocked = False
        while stream is not None:
            stream.check_writable()
            stream = stream.after
        return 0

    @property
    def remembered(self):
        # Bytes of fields that are kept for their repetition.
        return self.fields.size

    # The end

    @property
    def ended(self):
        if self.session == NULL:
            return True
        return not nghttp2_session_want_read(self.session) and not self.held and not (
            nghttp2_session_want_write(self.session)
        )

    def expire(self, double now, double stall, double discard):
        cdef Stream stream = self.streams
        cdef Stream after
        cdef bint moved = self.turns is not None and self.turns.has_moved()
        while stream is not None:
            after = stream.after
            # One that others are sent before is not stalled by its client.
            if moved and nghttp2_session_get_stream_remote_window_size(self.session, stream.id) > 0:
                stream.progressed = True
            stream.expire(now, stall, discard)
            stream = after

    def shutdown_notice(self):
        cdef Stream stream = self.streams
        cdef Stream after
        if self.session == NULL:
            return
        nghttp2_submit_shutdown_notice(self.session)
        self.ping_due = True
        while stream is not None:
            after = stream.after
            if stream.receiver is not None:
                stream.receiver.on_drain()
            stream = after
        self.wake()

    def goaway(self):
        if self.session != NULL and not self.terminated:
            self.last_announced = min(self.last_announced, nghttp2_session_get_last_proc_stream_id(self.session))
            nghttp2_submit_goaway(self.session, NGHTTP2_FLAG_NONE, self.last_announced, NO_ERROR, NULL, 0)
            self.wake()

    def terminate(self, uint32_t code):
        if self.session != NULL and not self.terminated:
            self.terminated = True
            # RFC 9113 6.8: never higher than what was said before; nghttp2 knows only what it has sent.
            nghttp2_session_terminate_session2(
                self.session, min(self.last_announced, nghttp2_session_get_last_proc_stream_id(self.session)), code
            )
            self.lose_streams()
            self.wake()

    def lose(self):
        cdef nghttp2_session *session = self.session
        self.session = NULL
        self.lose_streams()
        self.owner = None
        self.begin = None
        if session != NULL:
            nghttp2_session_del(session)

    cdef int lose_streams(self) except -1:
        self.held = []
        while self.streams is not None:
            leave(self, self.streams)
        return 0

    cdef int park(self, BaseException error) except -1:
        if self.fault is None:
            self.fault = error
        return 0

    cdef int raise_fault(self) except -1:
        cdef BaseException fault
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        return 0
