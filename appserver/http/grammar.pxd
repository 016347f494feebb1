cimport cython

cdef bytes TOKEN_TABLE, NAME_TABLE, HOST_TABLE, IPV6_TABLE, HEX_TABLE
cdef dict SCHEMES

@cython.locals(byte=cython.uchar)
cpdef bint is_token(bytes name)
@cython.locals(byte=cython.uchar)
cpdef bint is_field_name(bytes name)
@cython.locals(size=Py_ssize_t, byte=cython.uchar, bad=cython.uchar, first=cython.uchar, last=cython.uchar)
cpdef bint is_field_value(bytes value)
@cython.locals(size=Py_ssize_t, end=Py_ssize_t)
cpdef bint is_authority(bytes value)
@cython.locals(at=Py_ssize_t)
cdef Py_ssize_t _end_of_host(const unsigned char* value, Py_ssize_t size)
@cython.locals(at=Py_ssize_t, byte=cython.uchar, port=int)
cpdef int parse_port(const unsigned char* value, Py_ssize_t start, Py_ssize_t stop)
@cython.locals(byte=cython.uchar, length=cython.longlong, size=Py_ssize_t)
cpdef long long parse_length(bytes value)
cpdef str parse_scheme(bytes value)
@cython.locals(
    decoded=bytearray, text="const unsigned char*", size=Py_ssize_t, at=Py_ssize_t, end=Py_ssize_t, byte=cython.uchar,
    high=cython.uchar, low=cython.uchar,
)
cpdef bytes percent_decode(bytes value)
