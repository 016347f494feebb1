# nghttp2's callbacks. Each has one shape: what a call up raised is parked on the engine, nghttp2 is told
# to stop, and receive() or take() raises it again.

cdef nghttp2_session_callbacks *callbacks


# Frames in


cdef int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user) noexcept:
    cdef Engine engine = <Engine> user
    cdef FrameWatch watch = engine.watch
    if hd.type == NGHTTP2_CONTINUATION:
        watch.continuations += 1
        if watch.continuations > CONTINUATIONS:
            return stop(engine, ENHANCE_YOUR_CALM, "too many CONTINUATION frames")
        return 0
    watch.continuations = 0
    if hd.type > NGHTTP2_PRIORITY:
        return 0
    if hd.type == NGHTTP2_PRIORITY:
        # RFC 9113 6.3; nghttp2 looks at no PRIORITY frame once priorities are switched off.
        if hd.stream_id == 0:
            return stop(engine, PROTOCOL_ERROR, "a PRIORITY frame on stream 0")
        return 0
    watch.settle()
    if hd.stream_id > watch.highest:
        if hd.type == NGHTTP2_HEADERS and hd.stream_id & 1:
            watch.highest = hd.stream_id
            watch.opening = hd.stream_id
        return 0
    if hd.stream_id & 1 and nghttp2_session_get_stream_user_data(session, hd.stream_id) == NULL:
        return on_closed_stream(engine, hd.stream_id, hd.type)
    return 0


cdef int on_closed_stream(Engine engine, int32_t stream_id, int kind) noexcept:
    # nghttp2 keeps no closed streams without RFC 7540's priorities and would ignore the frame. RFC 9113 5.1:
    # only after our own RST_STREAM may the peer not have known that the stream is closed.
    if engine.watch.is_expected(stream_id):
        return 0
    if kind == NGHTTP2_HEADERS and not engine.watch.was_open(stream_id):
        return stop(engine, PROTOCOL_ERROR, "a stream id below the last")
    return stop(engine, STREAM_CLOSED, "a frame on a closed stream")


cdef int stop(Engine engine, uint32_t code, str reason) noexcept:
    # Ends the connection from within a callback; nghttp2 reads nothing more of this input.
    try:
        if not engine.terminated:
            engine.owner.on_fault(reason)
            engine.terminate(code)
    except BaseException as error:
        engine.park(error)
    return NGHTTP2_ERR_CALLBACK_FAILURE


cdef int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user) noexcept:
    cdef Engine engine = <Engine> user
    cdef Stream stream
    cdef void *known
    try:
        if engine.terminated:
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
        engine.head.begin()
        if frame.headers.cat == NGHTTP2_HCAT_REQUEST:
            engine.watch.opening = 0
            if engine.inflight >= engine.max_streams:
                engine.watch.expect_more(frame.hd.stream_id)
                nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame.hd.stream_id, REFUSED_STREAM)
                if engine.signals is not None:
                    engine.signals.on_open(frame.hd.stream_id)
                return 0
            stream = Stream.__new__(Stream)
            stream.engine = engine
            stream.id = frame.hd.stream_id
            stream.writable = True
            if frame.hd.flags & NGHTTP2_FLAG_PRIORITY:
                stream.dependency = frame.headers.pri_spec.weight, frame.headers.pri_spec.stream_id
            join(engine, stream)
            if engine.signals is not None:
                engine.open_signalled(stream)
        else:
            known = nghttp2_session_get_stream_user_data(session, frame.hd.stream_id)
            if known != NULL:
                (<Stream> known).trailing = True
        return 0
    except BaseException as error:
        engine.park(error)
        return NGHTTP2_ERR_CALLBACK_FAILURE


cdef int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name, nghttp2_rcbuf *value,
                   uint8_t flags, void *user) noexcept:
    cdef Engine engine = <Engine> user
    cdef Head head = engine.head
    try:
        engine.fields.add(head, name, value, flags)
        if head.verdict == VERDICT_DROP:
            # Returning TEMPORAL alone would go on inflating the peer's blocks.
            engine.owner.on_fault(head.reason)
            engine.terminate(ENHANCE_YOUR_CALM)
            return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE
        return 0
    except BaseException as error:
        engine.park(error)
        return NGHTTP2_ERR_CALLBACK_FAILURE


cdef int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user) noexcept:
    cdef Engine engine = <Engine> user
    cdef Stream stream
    cdef void *known
    cdef bint ends
    if frame.hd.type > NGHTTP2_HEADERS:
        if frame.hd.type == NGHTTP2_PING and frame.hd.flags & NGHTTP2_FLAG_ACK:
            return on_pong(engine, frame.ping.opaque_data)
        return 0
    ends = frame.hd.flags & NGHTTP2_FLAG_END_STREAM
    if frame.hd.type == NGHTTP2_DATA and not ends:
        return 0
    known = nghttp2_session_get_stream_user_data(session, frame.hd.stream_id)
    if known == NULL:
        return 0
    stream = <Stream> known
    try:
        if frame.hd.type == NGHTTP2_DATA:
            stream.take_end([])
        elif not stream.trailing:
            stream.take_head(ends)
        else:
            take_trailers(engine, stream, ends)
        return 0
    except BaseException as error:
        engine.park(error)
        return NGHTTP2_ERR_CALLBACK_FAILURE


cdef int take_trailers(Engine engine, Stream stream, bint ends) except -1:
    cdef list trailers = engine.head.trailers()
    stream.trailing = False
    if trailers is None or not ends:
        # RFC 9113 8.1: a second block without END_STREAM makes the request malformed.
        return stream.refuse_body(VERDICT_RESET)
    return stream.take_end(trailers)


cdef int on_pong(Engine engine, const uint8_t *data) noexcept:
    try:
        if not memcmp(data, PyBytes_AS_STRING(GROWTH_DATA), 8):
            engine.grow_windows()
        else:
            engine.owner.on_pong()
        return 0
    except BaseException as error:
        engine.park(error)
        return NGHTTP2_ERR_CALLBACK_FAILURE


cdef int on_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data, size_t size,
                  void *user) noexcept:
    cdef Engine engine = <Engine> user
    cdef Stream stream = engine.last
    cdef void *known
    try:
        if stream is None or stream.id != stream_id:
            known = nghttp2_session_get_stream_user_data(session, stream_id)
            if known == NULL:
                nghttp2_session_consume(session, stream_id, size)
                return 0
            stream = engine.last = <Stream> known
        stream.take_body(data, size)
        return 0
    except BaseException as error:
        engine.park(error)
        return NGHTTP2_ERR_CALLBACK_FAILURE


# Frames out


cdef int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user) noexcept:
    cdef Engine engine = <Engine> user
    cdef void *known
    try:
        if frame.hd.type <= NGHTTP2_HEADERS:
            if frame.hd.flags & NGHTTP2_FLAG_END_STREAM:
                known = nghttp2_session_get_stream_user_data(session, frame.hd.stream_id)
                if known != NULL:
                    (<Stream> known).on_end_sent()
        elif frame.hd.type == NGHTTP2_RST_STREAM:
            known = nghttp2_session_get_stream_user_data(session, frame.hd.stream_id)
            if known == NULL or not (<Stream> known).remote_ended:
                engine.watch.expect_more(frame.hd.stream_id)
        elif frame.hd.type == NGHTTP2_GOAWAY and frame.goaway.error_code and not engine.terminated:
            # nghttp2 found the fault by itself.
            engine.terminated = True
            engine.owner.on_fault(nghttp2_http2_strerror(frame.goaway.error_code).decode("ascii"))
            engine.lose_streams()
        return 0
    except BaseException as error:
        engine.park(error)
        return NGHTTP2_ERR_CALLBACK_FAILURE


cdef int on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int why, void *user) noexcept:
    # A head or trailers too long to send: nghttp2 drops the frame and would leave the stream open for ever.
    if frame.hd.type == NGHTTP2_HEADERS and why == NGHTTP2_ERR_FRAME_SIZE_ERROR:
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame.hd.stream_id, INTERNAL_ERROR)
    return 0


cdef int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *user) noexcept:
    cdef Engine engine = <Engine> user
    cdef void *known = nghttp2_session_get_stream_user_data(session, stream_id)
    if known == NULL:
        return 0
    try:
        leave(engine, <Stream> known)
        return 0
    except BaseException as error:
        engine.park(error)
        return NGHTTP2_ERR_CALLBACK_FAILURE


cdef ssize_t read_length(nghttp2_session *session, uint8_t frame_type, int32_t stream_id, int32_t session_window,
                         int32_t stream_window, uint32_t max_frame_size, void *user) noexcept:
    # Frames as large as the peer allows; above this nothing is gained, and its other streams wait for longer.
    return min(max_frame_size, <uint32_t> LARGEST_DATA)


cdef ssize_t read_data(nghttp2_session *session, int32_t stream_id, uint8_t *buffer, size_t length, uint32_t *flags,
                       nghttp2_data_source *source, void *user) noexcept:
    cdef Engine engine = <Engine> user
    cdef Stream stream
    cdef Py_ssize_t size
    if engine.terminated:
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE  # its streams are gone
    stream = <Stream> source.ptr
    size = stream.queued()
    if size == 0:  # an end that comes alone is `hold_end`'s
        stream.deferred = True
        return NGHTTP2_ERR_DEFERRED
    if engine.turns is not None:
        try:
            if engine.turns.gives_way(engine, stream):
                stream.deferred = True
                return NGHTTP2_ERR_DEFERRED
        except BaseException as error:
            engine.park(error)
            return NGHTTP2_ERR_CALLBACK_FAILURE
    if size > <Py_ssize_t> length:
        size = length
    flags[0] |= NGHTTP2_DATA_FLAG_NO_COPY
    if stream.ended and size == stream.queued():
        flags[0] |= NGHTTP2_DATA_FLAG_EOF
        if stream.trailers is not None:
            flags[0] |= NGHTTP2_DATA_FLAG_NO_END_STREAM
            try:
                stream.submit_trailers()
            except BaseException as error:
                engine.park(error)
                return NGHTTP2_ERR_CALLBACK_FAILURE
    return size


cdef int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t length,
                   nghttp2_data_source *source, void *user) noexcept:
    # Comes at once after `read_data` and never answers WOULDBLOCK: nghttp2 has been promised `length` bytes, and
    # a reset before the next take() would drop them. PAUSE ends the take() after this frame.
    cdef Engine engine = <Engine> user
    try:
        engine.outbox.copy(head, 9)
        (<Stream> source.ptr).send_payload(length)
        if engine.turns is not None:
            engine.turns.on_sent(engine, <Stream> source.ptr)
        return NGHTTP2_ERR_PAUSE if engine.outbox.remaining <= 0 else 0
    except BaseException as error:
        engine.park(error)
        return NGHTTP2_ERR_CALLBACK_FAILURE


if nghttp2_session_callbacks_new(&callbacks):
    raise MemoryError
nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, on_begin_frame)
nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers)
nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header)
nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv)
nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk)
nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send)
nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_send)
nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close)
nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, read_length)
nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data)
