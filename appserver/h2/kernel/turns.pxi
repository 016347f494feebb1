# Nobody is passed over for ever: nghttp2 knows urgencies and turns, and would let the urgent go first without end.


@cython.final
cdef class Turns:
    def __cinit__(self):
        self.waiting = []

    cdef bint gives_way(self, Engine engine, Stream stream) except -1:
        # nghttp2 would let `stream` send now. Should it wait for one that was passed over too often?
        if self.starving is None:
            if self.frames - self.checked < TURNS:
                return False
            self.starving = self.longest_waiting(engine)
            if self.starving is None:
                self.checked = self.frames
                return False
        if self.starving is stream:
            return False
        self.waiting.append(stream)
        return True

    cdef Stream longest_waiting(self, Engine engine):
        cdef Stream stream = engine.streams
        cdef Stream longest = None
        while stream is not None:
            if (
                stream.queued() and not stream.deferred and not stream.head_held and not stream.was_reset
                and self.frames - stream.waits_since >= TURNS
                and (longest is None or stream.waits_since < longest.waits_since
                     or (stream.waits_since == longest.waits_since and stream.id < longest.id))
                and nghttp2_session_get_stream_remote_window_size(engine.session, stream.id) > 0
            ):
                longest = stream
            stream = stream.after
        return longest

    cdef int on_sent(self, Engine engine, Stream stream) except -1:
        self.frames += 1
        if self.frames - 1 - stream.waits_since >= TURNS:
            self.checked = self.frames
        stream.waits_since = self.frames
        if self.starving is stream:
            self.let_all_go_on(engine)
        return 0

    cdef bint has_moved(self) noexcept:
        # Was DATA sent since this was asked last?
        cdef bint moved = self.frames != self.seen
        self.seen = self.frames
        return moved

    cdef bint let_all_go_on(self, Engine engine) except -1:
        # Who gave way may send again; tells whether there was anybody.
        cdef Stream stream
        cdef list waiting = self.waiting
        self.starving = None
        if not waiting:
            return False
        self.waiting = []
        for stream in waiting:
            if stream.deferred and stream.is_open():
                stream.deferred = False
                nghttp2_session_resume_data(engine.session, stream.id)
        return True


cdef int begin_turns(Engine engine) except -1:
    # Somebody has spoken of priorities.
    if engine.turns is None:
        engine.turns = Turns.__new__(Turns)
    return 0


cdef int take_priority(Stream stream, tuple priority) except -1:
    # The client's word, which yields to the application's.
    stream.incremental_given = True
    begin_turns(stream.engine)
    return set_priority(stream, priority[0], priority[1])


cdef int set_priority(Stream stream, int urgency, bint incremental) except -1:
    cdef nghttp2_extpri priority
    stream.urgency = urgency if stream.own_urgency < 0 else stream.own_urgency
    stream.incremental = incremental if stream.own_incremental < 0 else stream.own_incremental > 0
    priority.urgency = stream.urgency
    priority.inc = stream.incremental
    nghttp2_session_change_extpri_stream_priority(stream.engine.session, stream.id, &priority, 1)
    return 0
