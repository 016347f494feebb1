cimport cython

from appserver.accepted cimport Peer
from appserver.contract cimport Application, Receiver, Request
from appserver.h1.parser cimport Parser
from appserver.h1.stream cimport Http1Stream, Wire

cdef Py_ssize_t WRITE_HIGH, WRITE_LOW, QUEUE, PIECE, OWED_HIGH, OWED_LOW, WAITING, DISCARD

@cython.final
cdef class Connection(Wire):
    cdef readonly object transport
    cdef readonly Peer peer
    cdef object _write, _call_soon, _context, _registry, _patience
    cdef Application _application
    cdef Parser _parser             # owned
    cdef Http1Stream _stream        # shared with the application until the response is whole
    cdef Receiver _receiver         # the application's, as long as _stream
    cdef bytes _rest                # behind the request in progress, unparsed
    cdef bint _begun, _reading, _scheduled, _paused, _held
    cdef bint _draining, _closing, _linger, _eof, _lost
    cdef long long _served, _most, _owed, _discarded, _received, _written

    # Called by the loop
    cpdef data_received(self, bytes data)

    # Reading
    @cython.locals(parser=Parser, size=Py_ssize_t, at=Py_ssize_t)
    cdef _consume(self, bytes data)
    @cython.locals(parser=Parser, request=Request, receiver=Receiver, stream=Http1Stream, fresh=bint)
    cdef _advance(self)
    @cython.locals(parser=Parser, body=bytes)
    cdef _pass_body(self, Receiver receiver)
    @cython.locals(parser=Parser, size=Py_ssize_t)
    cdef _discard(self)
    cdef _next(self)
    cpdef _proceed(self)
    @cython.locals(full=bint)
    cdef _govern(self)

    # Writing
    cpdef _flush_scheduled(self)
    @cython.locals(out=list, data=bytes)
    cpdef flush(self)
    @cython.locals(small=list, piece=bytes)
    cdef _flush_large(self, list out)
    cdef _write_joined(self, list small)

    # Closing
    @cython.locals(stream=Http1Stream, receiver=Receiver)
    cdef _lose(self)
    cdef _refuse(self, int status, str reason)
    @cython.locals(stream=Http1Stream, request=Request)
    cdef _cut(self, int status)
    cdef _close(self, bint linger)
    cdef _settle(self)
    cdef _shut(self)

    # Called by the worker
    cpdef abort(self)
    cpdef tick(self, double now)
    @cython.locals(parser=Parser)
    cdef int _waits_for(self) except -1
    cdef _expire(self, int waiting)
