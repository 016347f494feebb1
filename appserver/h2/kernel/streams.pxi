# The list of an engine's open streams.


cdef int join(Engine engine, Stream stream) except -1:
    # nghttp2 holds the reference that `leave` drops.
    stream.urgency = URGENCY
    stream.own_urgency = stream.own_incremental = -1
    stream.after = engine.streams
    if engine.streams is not None:
        engine.streams.before = stream
    engine.streams = stream
    engine.inflight += 1
    nghttp2_session_set_stream_user_data(engine.session, stream.id, <void *> stream)
    Py_INCREF(stream)
    return 0


cdef int leave(Engine engine, Stream stream) except -1:
    if engine.session != NULL:
        nghttp2_session_set_stream_user_data(engine.session, stream.id, NULL)
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
    engine.watch.note_closed(stream.id)
    try:
        stream.close()
    finally:
        Py_DECREF(stream)
    return 0
