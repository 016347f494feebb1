cimport cython

from appserver.h1.fields cimport FieldReader
from appserver.http.limits cimport Limits
from appserver.http.message cimport Head

cdef int SIZE, DATA, DATA_END, TRAILERS, DONE
cdef int CR, LF, SEMICOLON, NO_DIGIT
cdef bytes DIGITS
cdef Py_ssize_t MAX_DIGITS, MAX_EXTENSION, MAX_EXTENSIONS, MAX_TRAILERS, MAX_TRAILER_FIELDS, VIEWED
cdef unsigned long long MAX_SIZE

@cython.final
cdef class ChunkReader:
    cdef readonly list pieces
    cdef readonly bint is_done
    cdef readonly list trailers
    cdef readonly int status
    cdef readonly str reason
    cdef FieldReader _fields
    cdef Head _head
    cdef Py_ssize_t _max_field, _extensions
    cdef long long _limit, _left, _received
    cdef int _state

    cpdef begin(self)
    @cython.locals(pieces=list, data=bytes)
    cpdef bytes take(self, bint is_wanted=*)
    @cython.locals(text="const unsigned char*", size=Py_ssize_t, state=int, before=Py_ssize_t)
    cpdef Py_ssize_t read(self, bytes data, Py_ssize_t at) except -1
    cdef _fail(self, int status, str reason)
    @cython.locals(text="const unsigned char*", size=Py_ssize_t)
    cdef Py_ssize_t _read_data(self, bytes data, Py_ssize_t at) except -1
    @cython.locals(
        text="const unsigned char*", digits="const unsigned char*", size=Py_ssize_t, mark=Py_ssize_t,
        length="unsigned long long", digit=int, end=Py_ssize_t,
    )
    cdef Py_ssize_t _read_size(self, bytes data, Py_ssize_t at) except -1
    @cython.locals(text=bytes, end=Py_ssize_t)
    cdef Py_ssize_t _read_extensions(self, bytes data, Py_ssize_t at) except -2
    cdef _open(self, unsigned long long length)
    @cython.locals(head=Head, fields=FieldReader, whole=bint, trailers=list)
    cdef Py_ssize_t _read_trailers(self, bytes data, Py_ssize_t at) except -1
