cimport cython

from appserver.apps.asgi.conversation cimport Conversation
from appserver.apps.asgi.host cimport Host
from appserver.contract cimport Request, Stream
from appserver.http.reply cimport Reply
from appserver.ws.session cimport Session

cdef int _DONE
cdef int _CONNECTING, _OPEN, _DENIAL, _CLOSED, _GONE
cdef int _ACCEPT, _REJECT, _DENY, _SEND, _CLOSE, _DENIAL_BODY
cdef int _CONNECT, _MESSAGES, _NOTHING
cdef int _TEXT, _BINARY, _SESSION_OPEN, _SESSION_CLOSED
cdef tuple SEND
cdef long long BURST_BYTES, MESSAGE_BYTES

cdef class WebSocket(Conversation):
    cdef object _handshake
    cdef Session _session
    cdef int _state, _next
    cdef readonly int code
    cdef readonly str reason
    cdef list _early
    cdef bint _admitted, _draining, _input_ended

    cpdef open(self, Host host, Request request, Stream stream)
    cpdef start(self)
    cdef _refuse(self, error)
    @cython.locals(session=Session)
    cpdef on_body(self, bytes chunk)
    cpdef tick(self, double now)
    @cython.locals(session=Session)
    cdef _follow(self)
    @cython.locals(session=Session)
    cpdef next_message(self)
    @cython.locals(state=int, step=int, table=dict, message=dict)
    cpdef take_message(self, anything)
    @cython.locals(request=Request, reply=Reply, fields=list, judged=list)
    cdef _accept(self, dict message)
    @cython.locals(session=Session, early=list)
    cdef _begin_session(self)
    @cython.locals(opcode=int, payload=bytes, size=Py_ssize_t, session=Session)
    cdef _send_data(self, dict message)
    cdef _send_close(self, dict message)
    @cython.locals(session=Session)
    cdef _end_session(self, int code, str reason)
    @cython.locals(body=bytes)
    cdef _send_denial(self, dict message)
    cdef _wake_all(self)
    @cython.locals(early=list)
    cpdef closed(self)

cdef bytes _encode(text)
cdef bytes _to_bytes(data)
