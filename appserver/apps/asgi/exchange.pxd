cimport cython

from appserver.apps.asgi.conversation cimport Conversation
from appserver.apps.asgi.host cimport Host
from appserver.contract cimport Request, Stream
from appserver.http.reply cimport Reply

cdef int _TRAILERS, _DONE, _LOST
cdef int _START, _HINT, _CHUNK, _TRAIL, _INFORM, _PATH, _DESCRIPTOR
cdef tuple SEND
cdef long long BURST_BYTES, MESSAGE_BYTES
cdef double DISCARD_SECONDS

cdef class Exchange(Conversation):
    cdef list _chunks
    cdef bint _body_complete, _body_received, _half_closed, _disconnect_received, _trailers_promised
    cdef list _trailers, _request_trailers
    cdef double _discarding_since

    cpdef open(self, Host host, Request request, Stream stream)
    @cython.locals(request=Request)
    cpdef start(self)
    cpdef on_half_closed(self)
    @cython.locals(chunks=list, body=bytes)
    cpdef next_message(self)
    cdef _end_without_trailers(self)
    cdef dict _last_with_trailers(self, bytes body)
    cdef _disconnect(self)
    @cython.locals(phase=int, step=int, table=dict, message=dict)
    cpdef take_message(self, anything)
    cdef _send_interim(self, status, fields)
    @cython.locals(more=bint)
    cdef _send_body(self, dict message)
    cpdef end_part(self, bytes body)
    @cython.locals(reply=Reply, fields=list)
    cdef _send_trailers(self, dict message)
    cdef _discard(self, dict message)
    @cython.locals(chunks=list)
    cpdef closed(self)
