cimport cython

from appserver.contract cimport Stream
from appserver.ws.codec cimport FrameReader, write_frame

cdef int _CLOSE, _PEER_CLOSE, _FAIL, _PEER_END, _LOSS
cdef int STAY
cdef tuple MOVES
cdef int _OPEN, _CLOSING, _ENDING, _CLOSED
cdef int _NOTHING, _BINARY, _PING, _PONG
cdef int ABNORMAL, INTERNAL_ERROR
cdef Py_ssize_t MAX_WAITING, MAX_WAITING_SIZE, MESSAGE_OVERHEAD, SMALLEST_COMPRESSED
cdef double MAX_END_DELAY

@cython.final
cdef class Session:
    cdef readonly int state, code
    cdef readonly str reason
    cdef readonly list messages         # at most MAX_WAITING
    cdef Stream _stream
    cdef object _settings, _deflater
    cdef FrameReader _reader
    cdef Py_ssize_t _waiting_size, _owed
    cdef list _rest
    cdef bint _end_found, _input_ended, _ping_sent, _heard
    cdef bytes _pong
    cdef double _end_found_at, _pinged_at, _since

    @cython.locals(state=int)
    cdef bint _move(self, int event) except -1
    cpdef receive(self, bytes data)
    cpdef end_input(self)
    cpdef lose(self)
    cpdef relieve(self)
    @cython.locals(reader=FrameReader, size=Py_ssize_t, at=Py_ssize_t, kind=int)
    cdef _parse(self, bytes data)
    @cython.locals(reader=FrameReader)
    cpdef conclude(self)
    @cython.locals(rest=list)
    cdef _parse_rest(self)
    @cython.locals(owed=Py_ssize_t)
    cdef _settle(self)
    cdef _answer_ping(self, bytes payload)
    @cython.locals(was_open=bint)
    cdef _close_by_peer(self, int code, str reason)
    @cython.locals(was_over=bint)
    cdef _end_by_peer(self)
    cdef _tell(self, int code, str reason)
    cpdef take(self)
    cpdef send(self, int opcode, bytes payload)
    cpdef close(self, int code, str reason)
    @cython.locals(was_open=bint)
    cpdef fail(self, int code, str reason)
    cpdef tick(self, double now)
    @cython.locals(timeout=double)
    cdef _keep_alive(self, double now)
