cimport cython

from appserver.http.forwarded cimport Hop

cdef bytes BAD
cdef int MAX_PAIRS
cdef int _TAB, _SPACE, _QUOTE, _COMMA, _SEMICOLON, _EQUALS, _BACKSLASH


@cython.final
cdef class ForwardedElement:
    cdef bytes _value
    cdef readonly bytes host, node, proto
    cdef readonly bint is_empty, is_malformed

    @cython.locals(names=list, at=Py_ssize_t)
    cpdef Py_ssize_t read(self, bytes text, Py_ssize_t stop) except -2
    @cython.locals(at=Py_ssize_t, end=Py_ssize_t, name=bytes)
    cdef Py_ssize_t _read_pair(self, bytes text, Py_ssize_t stop, list names) except -2
    @cython.locals(at=Py_ssize_t)
    cdef Py_ssize_t _read_value(self, bytes text, Py_ssize_t stop) except -2

@cython.locals(end=Py_ssize_t)
cpdef int parse_node(Hop hop, bytes node) except -1
cdef Py_ssize_t _skip_blanks(const unsigned char* text, Py_ssize_t stop) except -1
@cython.locals(bad="const unsigned char*")
cdef Py_ssize_t _skip_token(const unsigned char* text, Py_ssize_t stop) except -1
@cython.locals(before=Py_ssize_t)
cdef bint _is_escaped(const unsigned char* text, Py_ssize_t at) except -1
