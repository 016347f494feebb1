cimport cython

from appserver.contract cimport Request

cdef Py_ssize_t METHOD_BYTES, PATH_BYTES, CLIENT_BYTES
cdef bytes UNSAFE_TABLE, HEX

@cython.locals(byte=cython.uchar)
cdef Py_ssize_t _copy(bytearray buffer, Py_ssize_t at, bytes data) except -1

cdef Py_ssize_t _digits(bytearray buffer, Py_ssize_t at, long long number, int width) except -1

@cython.locals(start=Py_ssize_t, letter=cython.Py_UCS4, code=cython.int)
cdef Py_ssize_t _text(bytearray buffer, Py_ssize_t at, str text, Py_ssize_t limit) except -1

@cython.locals(size=Py_ssize_t, index=Py_ssize_t, byte=cython.uchar)
cdef Py_ssize_t _escaped(bytearray buffer, Py_ssize_t at, bytes data, Py_ssize_t limit) except -1

cdef class AccessLog:
    cdef str _target
    cdef object _later, _clock, _wall, _sink
    cdef bytearray _buffer
    cdef Py_ssize_t _size, _limit
    cdef long long _second
    cdef bytes _stamp
    cdef bint _scheduled
    cdef double _reported

    @cython.locals(second=cython.longlong, client=tuple, path=bytes, micros=cython.longlong, at=Py_ssize_t, buffer=bytearray)
    cpdef on_done(self, Request request, int status, long long sent, double seconds)
    cpdef flush(self)
    cdef _renew(self, long long second)
