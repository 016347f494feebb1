cimport cython

from appserver.apps.asgi.awaitables cimport Channel, Receiving, Sending
from appserver.apps.asgi.host cimport Host
from appserver.contract cimport Request, Stream
from appserver.http.reply cimport Reply

cdef int _DONE, _LOST
cdef int _START, _HINT, _CHUNK, _TRAIL
cdef tuple SEND
cdef long long BURST_BYTES, MESSAGE_BYTES
cdef double DISCARD_SECONDS

cdef class Exchange(Channel):
    cdef Host _host
    cdef list _chunks
    cdef bint _body_complete, _body_received, _half_closed, _disconnect_received, _trailers_announced
    cdef list _trailers
    cdef long long _burst
    cdef double _discarding_since
    cdef object _task
    cdef list _receive_waiters
    cdef object _send_waiter

    cpdef open(self, Host host, Request request, Stream stream)
    @cython.locals(host=Host, request=Request)
    cpdef start(self)
    cpdef on_half_closed(self)
    @cython.locals(receiving=Receiving)
    cpdef receive(self)
    @cython.locals(chunks=list, body=bytes)
    cpdef next_message(self)
    cdef _disconnect(self)
    cdef _wake_receivers(self)
    @cython.locals(sending=Sending)
    cpdef send(self, message)
    @cython.locals(phase=int, step=int, table=dict, message=dict)
    cpdef take_message(self, anything)
    @cython.locals(more=bint)
    cdef _send_body(self, dict message)
    @cython.locals(reply=Reply, fields=list)
    cdef _send_trailers(self, dict message)
    cdef _discard(self, dict message)
    cdef _wake_senders(self)
    @cython.locals(chunks=list)
    cpdef closed(self)
    @cython.locals(phase=int)
    cdef _conclude(self, task)
    cdef _fail(self, error)
