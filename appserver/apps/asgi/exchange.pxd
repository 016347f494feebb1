cimport cython

from appserver.apps.asgi.host cimport Host
from appserver.apps.asgi.ready cimport Ready
from appserver.contract cimport Receiver, Request, Stream
from appserver.http.reply cimport Reply, has_body

cdef int _HEAD, _BODY, _TRAILERS, _DONE, _GONE
cdef int _START, _HINT, _CHUNK, _TRAIL
cdef bint EAGER
cdef object DONE_AWAITABLE, CoroutineType
cdef tuple SEND

@cython.freelist(64)
cdef class Exchange(Receiver):
    cdef Host host
    cdef Request request
    cdef Stream stream
    cdef readonly int phase
    cdef list chunks
    cdef bint complete, told, bodiless, trailing
    cdef list trailers
    cdef long long left
    cdef int status
    cdef long long sent
    cdef object task
    cdef list waiters
    cdef object drained
    cdef double began

    cpdef open(self, Host host, Request request, Stream stream)
    @cython.locals(phase=int, step=int, table=dict)
    cpdef send(self, message)
    cdef _conclude(self, task)
    @cython.locals(chunks=list, body=bytes)
    cdef dict _next(self)
    cdef _wake(self)
    @cython.locals(request=Request, host=Host, reply=Reply, fields=list, code=int)
    cdef _start(self, dict message)
    @cython.locals(reply=Reply)
    cdef _hint(self, dict message)
    @cython.locals(stream=Stream, size=Py_ssize_t, more=bint)
    cdef _body(self, dict message)
    @cython.locals(excess=Py_ssize_t)
    cdef _too_long(self, bytes body)
    @cython.locals(reply=Reply, fields=list)
    cdef _trailers(self, dict message)
    cdef _resume(self)
    cdef _done(self)
    cdef _break_off(self)
    @cython.locals(host=Host)
    cdef _over(self)
    cdef _failed(self, error)
    cdef _answer(self, int status, bytes text)
