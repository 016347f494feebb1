cimport cython

cdef Py_ssize_t WRITE_HIGH, WRITE_LOW, QUEUE, PIECE, TURN, OWED_HIGH, OWED_LOW, PIECE_OVERHEAD

cdef class Wire:
    cdef readonly object transport
    cdef list out                   # borrowed by the stream while it answers
    cdef long long queued
    cdef object _write, _writelines, _call_soon, _context, _drained
    cdef public object transfer
    cdef public bint sends_files
    cdef bint _corked, _scheduled, _yielding, _paused, _reading_paused, _lost
    cdef long long _turn, _written, _owed, _owed_pieces

    # Called by the stream, made by the connection
    cpdef bint is_persistent(self) except -1
    cpdef upgraded(self)
    cpdef response_complete(self, bint persistent)
    cpdef tunnel_half_closed(self)
    cpdef aborted(self, bint abruptly)
    cpdef set_writable(self, bint writable)

    # Writing
    cpdef bint can_write(self) except -1
    cpdef schedule(self)
    cpdef push(self)
    cpdef _flush_scheduled(self)
    @cython.locals(out=list, data=bytes, large=bint)
    cpdef flush(self)
    @cython.locals(pieces=list, small=list, piece=bytes, size=Py_ssize_t)
    cdef _flush_large(self, list out)
    cpdef _end_turn(self)

    # A file, past the transport
    cpdef _end_drained(self)
    cpdef file_sent(self, long long size)
    cpdef stop_transfer(self)
    cpdef bint awaits_client(self) except -1

    # Reading
    cpdef owe(self, Py_ssize_t size)
    cpdef granted(self, Py_ssize_t size)
    cpdef clear_owed(self)
    @cython.locals(owed=cython.longlong)
    cpdef bint exceeds_credit(self) except -1
    cpdef update_reading(self)
    cpdef pause_reading(self, bint pause)

    # The end
    cpdef detach(self, bytes last)
    cpdef close_transport(self, bint linger)
    cpdef reset_transport(self)
    cpdef abort(self)
