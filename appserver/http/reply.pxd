cimport cython

from appserver.http.grammar cimport parse_length

cdef int _DATE, _SERVER, _LENGTH, _CONNECTION, _DROPPED
cdef dict _SPECIAL
cdef bytes NAME_TABLE, VALUE_TABLE, LENGTH_TABLE

cpdef bint has_body(int status, bint head)

@cython.locals(byte=cython.uchar)
cdef bint _bad(bytes text, bytes table)

@cython.locals(size=Py_ssize_t, first=cython.uchar, last=cython.uchar)
cdef bint _padded(bytes text)

@cython.final
cdef class Reply:
    cdef public list fields
    cdef public long long length
    cdef public bint dated, served
    @cython.locals(judged=list, kind=object)
    cpdef judge(self, object fields, bint h2)
    @cython.locals(length=cython.longlong)
    cdef bint _special(self, int kind, bytes value, bint h2) except -1
