cimport cython

cdef int _MAX_PAUSE

@cython.final
cdef class WindowGrowth:
    cdef readonly long long window, limit
    cdef readonly bint sampling
    cdef long long _consumed, _due, _pause
    cpdef bint consume(self, Py_ssize_t size)
    @cython.locals(read=cython.longlong)
    cpdef long long on_pong(self)
