cimport cython

@cython.final
@cython.freelist(64)
cdef class Ready:
    cdef object value

@cython.final
cdef class Done:
    pass
