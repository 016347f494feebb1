cimport cython

cdef Py_ssize_t MAX_FIELD
cdef dict KNOWN


@cython.final
cdef class Priority:
    cdef readonly int urgency
    cdef readonly int incremental
    cpdef tuple resolved(self)

cpdef Priority parse_priority(bytes value)
@cython.locals(priority=Priority)
cpdef tuple read_priority(bytes value)

@cython.locals(urgency=int, incremental=int)
cdef Priority _parse(bytes value)
cdef int _urgency(item) except -2
