# nghttp2's callbacks. Each has one shape: what a call up raised is parked on the engine, nghttp2 is told
# to stop, and receive() or take() raises it again.

cdef nghttp2_session_callbacks *callbacks


cdef int on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *hd, void *user) noexcept:
    cdef Engine engine = <Engine> user
    if hd.type == NGHTTP2_CONTINUATION:
        engine.continuations += 1
        if engine.continuations > CONTINUATIONS:
            return stop(engine, ENHANCE_YOUR_CALM, "too many CONTINUATION frames")
        return 0
    engine.continuations = 0
    if hd.type > NGHTTP2_PRIORITY:
        return 0
    if hd.type == NGHTTP2_PRIORITY:
        # RFC 9113 6.3; nghttp2 looks at no PRIORITY frame once priorities are switched off.
        if hd.stream_id == 0:
            return stop(engine, PROTOCOL_ERROR, "a PRIORITY frame on stream 0")
        return 0
    engine.settle()
    if hd.stream_id > engine.highest:
        if hd.type == NGHTTP2_HEADERS and hd.stream_id & 1:
            engine.highest = hd.stream_id
            engine.opening = hd.stream_id
        return 0
    if hd.stream_id & 1 and nghttp2_session_get_stream_user_data(session, hd.stream_id) == NULL:
        return on_closed_stream(engine, hd.stream_id, hd.type)
    return 0


cdef int on_closed_stream(Engine engine, int32_t stream_id, int kind) noexcept:
    # nghttp2 keeps no closed streams without RFC 7540's priorities and would ignore the frame. RFC 9113 5.1:
    # only after our own RST_STREAM may the peer not have known that the stream is closed.
    if engine.is_expected(stream_id):
        return 0
    if kind == NGHTTP2_HEADERS and not engine.was_open(stream_id):
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
            if engine.inflight >= engine.most:
                engine.opening = 0
                engine.expect_more(frame.hd.stream_id)
                nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame.hd.stream_id, REFUSED_STREAM)
                return 0
            stream = Stream.__new__(Stream)
            stream.engine = engine
            stream.id = frame.hd.stream_id
            stream.writable = True
            engine.opening = 0
            join(engine, stream)
            nghttp2_session_set_stream_user_data(session, frame.hd.stream_id, <void *> stream)
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
        head.take(engine.remember(name, value, flags))
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
    cdef void *known
    cdef bint ends
    if frame.hd.type > NGHTTP2_HEADERS:
        if frame.hd.type == NGHTTP2_PING and frame.hd.flags & NGHTTP2_FLAG_ACK:
            return pong(engine)
        return 0
    ends = frame.hd.flags & NGHTTP2_FLAG_END_STREAM
    if frame.hd.type == NGHTTP2_DATA and not ends:
        return 0
    known = nghttp2_session_get_stream_user_data(session, frame.hd.stream_id)
    if known == NULL:
        return 0
    try:
        if frame.hd.type == NGHTTP2_DATA:
            (<Stream> known).take_end(NO_FIELDS)
        elif not (<Stream> known).trailing:
            (<Stream> known).take_head(ends)
        else:
            take_trailers(engine, <Stream> known, ends)
        return 0
    except BaseException as error:
        engine.park(error)
        return NGHTTP2_ERR_CALLBACK_FAILURE


cdef int take_trailers(Engine engine, Stream stream, bint ends) except -1:
    cdef list trailers = engine.head.trailers()
    stream.trailing = False
    if trailers is None or not ends:
        # RFC 9113 8.1: a second block without END_STREAM makes the request malformed.
        if stream.receiver is None:
            return stream.answer(VERDICT_RESET, "wrong trailers")
        return stream.refuse_body(VERDICT_RESET)
    return stream.take_end(trailers)


cdef int pong(Engine engine) noexcept:
    try:
        engine.owner.on_pong()
        return 0
    except BaseException as error:
        engine.park(error)
        return NGHTTP2_ERR_CALLBACK_FAILURE


cdef int on_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data, size_t size,
                  void *user) noexcept:
    cdef Engine engine = <Engine> user
    cdef void *known
    try:
        if engine.last is None or engine.last.id != stream_id:
            known = nghttp2_session_get_stream_user_data(session, stream_id)
            if known == NULL:
                nghttp2_session_consume(session, stream_id, size)
                return 0
            engine.last = <Stream> known
        engine.last.take_body(data, size)
        return 0
    except BaseException as error:
        engine.park(error)
        return NGHTTP2_ERR_CALLBACK_FAILURE


cdef int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user) noexcept:
    cdef Engine engine = <Engine> user
    cdef void *known
    if frame.hd.type != NGHTTP2_RST_STREAM:
        return 0
    known = nghttp2_session_get_stream_user_data(session, frame.hd.stream_id)
    if known == NULL or not (<Stream> known).remote_ended:
        engine.expect_more(frame.hd.stream_id)
    return 0


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
        nghttp2_session_set_stream_user_data(session, stream_id, NULL)
        engine.closed[engine.closed_at] = stream_id
        engine.closed_at = (engine.closed_at + 1) % REMEMBERED_STREAMS
        leave(engine, <Stream> known)
        return 0
    except BaseException as error:
        engine.park(error)
        return NGHTTP2_ERR_CALLBACK_FAILURE


cdef ssize_t read_data(nghttp2_session *session, int32_t stream_id, uint8_t *buffer, size_t length, uint32_t *flags,
                       nghttp2_data_source *source, void *user) noexcept:
    cdef Stream stream = <Stream> source.ptr
    cdef Engine engine = <Engine> user
    cdef Py_ssize_t size = stream.queued
    if size == 0 and not stream.ended:
        stream.deferred = True
        return NGHTTP2_ERR_DEFERRED
    if size > <Py_ssize_t> length:
        size = length
    if size:
        flags[0] |= NGHTTP2_DATA_FLAG_NO_COPY
    if stream.ended and size == stream.queued:
        flags[0] |= NGHTTP2_DATA_FLAG_EOF
        try:
            if stream.trailers is not None:
                flags[0] |= NGHTTP2_DATA_FLAG_NO_END_STREAM
                stream.send_trailers()
            if not stream.remote_ended:
                engine.forget(stream)
        except BaseException as error:
            engine.park(error)
            return NGHTTP2_ERR_CALLBACK_FAILURE
    return size


cdef int send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head, size_t length,
                   nghttp2_data_source *source, void *user) noexcept:
    cdef Engine engine = <Engine> user
    if engine.room <= 0:
        return NGHTTP2_ERR_WOULDBLOCK
    try:
        engine.put(head, 9)
        engine.put_payload(<Stream> source.ptr, length)
        return 0
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
nghttp2_session_callbacks_set_send_data_callback(callbacks, send_data)
