cimport cython

from appserver.contract cimport Receiver, Request, Stream
from appserver.http.reply cimport Reply, has_body

cdef int _HEAD, _BODY, _TRAILERS, _FILE, _DONE, _LOST, _BROKEN

cdef class AnswerContext:
    cdef bint _has_date
    cdef public tuple date
    cdef public tuple server
    cdef public object observer
    cdef readonly Reply reply

cdef class Answer(Receiver):
    cdef readonly AnswerContext context
    cdef readonly Request request
    cdef readonly Stream stream
    cdef readonly int phase
    cdef readonly bint bodiless
    cdef readonly int status
    cdef readonly long long sent, remaining
    cdef double _began

    cpdef open_answer(self, AnswerContext context, Request request, Stream stream)
    cpdef proceed(self)
    @cython.locals(reply=Reply)
    cpdef inform(self, int status, fields)
    @cython.locals(context=AnswerContext, request=Request, reply=Reply, judged=list, code=int)
    cpdef respond(self, status, fields)
    @cython.locals(size=Py_ssize_t)
    cpdef write(self, bytes chunk)
    cpdef end(self, bytes chunk)
    cpdef end_content(self, bytes chunk)
    cpdef finish(self, list trailers)
    @cython.locals(size=Py_ssize_t, missing=cython.longlong)
    cdef _measure_last(self, bytes chunk)
    @cython.locals(excess=cython.longlong)
    cdef _too_long(self, bytes chunk)
    cpdef begin_file(self)
    cpdef count_file(self, long long size)
    cpdef end_file(self)
    @cython.locals(reply=Reply)
    cpdef open_tunnel(self, int status, list fields)
    cpdef count_sent(self, Py_ssize_t size)
    cpdef close_tunnel(self)
    cpdef refuse(self, int status, list fields)
    cpdef fail(self, int status)
    cpdef cut(self, int status)
    cpdef break_off(self)
    cpdef on_refused(self, int status, long long sent)
    cpdef closed(self)
    cdef _close(self, int phase)

cdef int _to_status(status) except -1
