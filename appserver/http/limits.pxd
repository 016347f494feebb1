cdef class Limits:
    cdef readonly Py_ssize_t path, count, field, size
    cdef readonly long long body, discard
