cimport cython

from appserver.apps.asgi.scope cimport ScopeBuilder
from appserver.contract cimport Request
from appserver.http.answer cimport AnswerContext

@cython.final
cdef class Host:
    cdef readonly object files
    cdef readonly object app
    cdef readonly bint app_is_coroutine_function
    cdef readonly AnswerContext answers
    cdef readonly ScopeBuilder scopes
    cdef readonly object admission, sessions
    cdef readonly set running, websockets
    cdef readonly object loop
    cdef readonly object task

    cpdef report(self, Request request, error)
