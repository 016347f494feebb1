cimport cython

cdef int OK, RESET

@cython.final
cdef class BodyMeter:
    cdef readonly long long length
    cdef readonly long long limit
    cdef readonly long long received
    cpdef int take(self, Py_ssize_t size)
    cpdef int end(self)
