cimport cython

from libc.stdint cimport uint64_t

from appserver.http.grammar cimport parse_port

cdef bytes HEX_TABLE
cdef int _TAB, _SPACE, _PERCENT, _DOT, _ZERO, _NINE, _COLON, _OPEN, _CLOSE


@cython.final
cdef class Hop:
    cdef bytes _value
    cdef Py_ssize_t _text_start, _text_stop
    cdef readonly uint64_t high, low
    cdef readonly bint is_ipv4
    cdef readonly int port

    @cython.locals(text="const unsigned char*", colon=Py_ssize_t, other=Py_ssize_t)
    cpdef bint parse(self, bytes value, Py_ssize_t start, Py_ssize_t stop) except -1
    @cython.locals(low=uint64_t)
    cpdef tuple address(self)
    @cython.locals(end=Py_ssize_t)
    cdef bint _parse_bracketed(self, const unsigned char* value, Py_ssize_t start, Py_ssize_t stop) except -1
    @cython.locals(address=uint64_t, octets=int, at=Py_ssize_t, first=Py_ssize_t, octet=int)
    cdef bint _parse_ipv4(self, const unsigned char* value, Py_ssize_t start, Py_ssize_t stop) except -1
    @cython.locals(gap=Py_ssize_t, groups=int, last=Py_ssize_t, at=Py_ssize_t, tail=uint64_t, is_dotted=bint)
    cdef bint _parse_ipv6(self, const unsigned char* value, Py_ssize_t start, Py_ssize_t stop) except -1
    @cython.locals(at=Py_ssize_t, digit=cython.uchar, group=uint64_t, index=int, digits=int)
    cdef bint _parse_groups(self, const unsigned char* value, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t gap, int zeros) except -1
    @cython.locals(best=int, best_size=int, size=int, index=int, text=bytearray)
    cdef str _format_ipv6(self)
    cdef int _group(self, int index)

@cython.locals(digits=bint, shift=int, digit=int)
cdef _append_hex(bytearray text, int group)
