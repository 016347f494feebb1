cimport cython

cdef bint COMPILED

@cython.locals(
    size=Py_ssize_t, whole=Py_ssize_t, index=Py_ssize_t, characters="const unsigned char*", result=bytes,
    text="unsigned char*", mask="const unsigned char*",
    k0=cython.uchar, k1=cython.uchar, k2=cython.uchar, k3=cython.uchar,
)
cpdef bytes unmask(bytes data, Py_ssize_t at, Py_ssize_t stop, bytes key, Py_ssize_t offset)
