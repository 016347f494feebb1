cimport cython

from appserver.accepted cimport Peer
from appserver.contract cimport Receiver, Request, Stream
from appserver.http.priority cimport Priority, parse_priority
from appserver.http.reply cimport Reply, has_body

cdef int _HEAD, _BODY, _TRAILERS, _FILE, _DONE, _LOST, _BROKEN
cdef int MAX_INTERIM

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
    cdef readonly bint bodiless, trailers_announced
    cdef readonly int status
    cdef readonly long long sent, remaining
    cdef int _informed
    cdef double _began

    cpdef open_answer(self, AnswerContext context, Request request, Stream stream)
    cpdef proceed(self)
    @cython.locals(reply=Reply, peer=Peer, code=int)
    cpdef inform(self, status, fields)
    @cython.locals(context=AnswerContext, request=Request, reply=Reply, judged=list, code=int)
    cpdef respond(self, status, fields, bint trailers=*)
    @cython.locals(request=Request)
    cdef list _announce(self, list judged)
    @cython.locals(priority=Priority)
    cdef _prioritize(self, bytes value)
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

cdef int _to_interim(status) except -1
cdef int _to_status(status) except -1
cdef str _spelled(status)
