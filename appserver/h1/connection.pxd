cimport cython

from appserver.accepted cimport Peer
from appserver.contract cimport Application, Receiver, Request
from appserver.h1.body cimport BodyReader
from appserver.h1.head cimport HeadReader
from appserver.h1.states cimport move
from appserver.h1.stream cimport Http1Stream
from appserver.h1.wire cimport Wire

cdef Py_ssize_t WAITING
cdef int IDLE, HEAD, BODY, ANSWERING, DISCARDING, TUNNEL, CLOSING, CLOSED
cdef int FIRST_BYTES, REQUEST, REQUEST_AND_BODY, BODY_ENDS, ANSWER_ENDS, UPGRADED, CLOSES, GONE

@cython.final
cdef class Connection(Wire):
    cdef readonly Peer peer
    cdef object _call_later, _registry, _deadline, _answers
    cdef Application _application
    cdef HeadReader _head           # owned
    cdef BodyReader _body           # owned
    cdef Http1Stream _stream        # shared with the application until the response is whole
    cdef Receiver _receiver         # the application's, as long as _stream
    cdef bytes _rest                # a line that is cut, or what is behind the request in progress
    cdef int _state
    cdef bint _proceeding, _eof, _eof_sent, _draining
    cdef double _drain_idle
    cdef long long _max_requests, _max_discard
    cdef long long _served, _discarded, _received

    cdef _move(self, int event)

    # Called by the loop
    cpdef data_received(self, bytes data)

    # Reading
    @cython.locals(size=Py_ssize_t, at=Py_ssize_t, state=int, before=Py_ssize_t)
    cdef _consume(self, bytes data)
    @cython.locals(head=HeadReader, request=Request)
    cdef Py_ssize_t _read_head(self, bytes data, Py_ssize_t at) except -1
    cdef bint _switch(self, Request request, bytes settings) except -1
    @cython.locals(receiver=Receiver, stream=Http1Stream)
    cdef Py_ssize_t _begin(self, Request request, bytes data, Py_ssize_t at) except -1
    @cython.locals(before=Py_ssize_t, reader=BodyReader)
    cdef Py_ssize_t _read_body(self, bytes data, Py_ssize_t at) except -1
    cdef _end_body(self, Receiver receiver)
    @cython.locals(receiver=Receiver)
    cdef _pass_on(self, bytes body)
    cdef _next(self)
    @cython.locals(state=int, receiver=Receiver)
    cdef bint _end_input(self) except -1
    cdef _schedule_rest(self)
    cpdef _proceed(self)

    # Called by the stream: declared by Wire
    cdef _close_tunnel(self)

    # Closing
    @cython.locals(stream=Http1Stream, receiver=Receiver)
    cdef _lose(self)
    cdef _refuse(self, int status, str reason)
    @cython.locals(stream=Http1Stream, receiver=Receiver, request=Request)
    cdef _cut(self, int status)
    @cython.locals(stream=Http1Stream)
    cdef Http1Stream _make_stream(self, Request request)
    cdef _close(self, bint linger)

    # Called by the worker
    cpdef _drain_idle_over(self)
    cpdef tick(self, double now)
    @cython.locals(state=int, held=bint)
    cdef int _waits_for(self) except -1
    cdef _expire(self, int waiting)
