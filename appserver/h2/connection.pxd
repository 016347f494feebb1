cimport cython

from appserver.accepted cimport Peer
from appserver.contract cimport Application, Receiver, Request, Stream

cdef int OPEN, NOTIFIED, DRAINING, CLOSING, LOST
cdef int DRAIN, ACKNOWLEDGED, END, LOSS, STAY
cdef tuple MOVES
cdef object WRITE_BYTES

cdef class Connection:
    cdef readonly object transport
    cdef readonly Peer peer
    cdef object _write, _writelines, _registry, _timeouts, _call_soon, _engine, _answers
    cdef Application _application
    cdef list _begun
    cdef bytearray _read_buffer
    cdef bint _awaits_preface, _began, _paused, _scheduled
    cdef double _stalled_at, _idle_since
    cdef Py_ssize_t _unsent
    cdef int _state

    @cython.locals(state=int)
    cdef bint _move(self, int event) except -1
    cpdef data_received(self, bytes data)
    cpdef get_buffer(self, Py_ssize_t size_hint)
    cpdef buffer_updated(self, Py_ssize_t size)
    cpdef upgrade(self, Request request, bytes settings)
    cdef _receive(self, data, Py_ssize_t size)
    @cython.locals(begun=list, receiver=Receiver)
    cdef _start_begun(self)
    cpdef begin(self, Request request, Stream stream)
    cpdef schedule(self)
    cpdef flush(self)
    @cython.locals(output=list)
    cdef _flush(self)
    cdef _close(self)
