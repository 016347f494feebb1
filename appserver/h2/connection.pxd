cimport cython

from appserver.accepted cimport Peer
from appserver.contract cimport Application, Receiver, Request, Stream

cdef int OPEN, NOTICED, DRAINING, CLOSED
cdef object WRITE_BYTES

cdef class Connection:
    cdef readonly object transport
    cdef readonly Peer peer
    cdef object _write, _writelines, _registry, _timeouts, _call_soon, _engine
    cdef Application _application
    cdef list _begun
    cdef bint _began, _scheduled, _paused
    cdef double _stalled_at, _idle_since
    cdef Py_ssize_t _unsent
    cdef int _phase

    @cython.locals(begun=list, receiver=Receiver)
    cpdef data_received(self, bytes data)
    cpdef begin(self, Request request, Stream stream)
    cpdef schedule(self)
    @cython.locals(output=list)
    cpdef flush(self)
    cdef _go_away(self)
    cdef _close(self)
