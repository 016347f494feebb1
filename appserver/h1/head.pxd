cimport cython

from appserver.accepted cimport Peer
from appserver.contract cimport Request
from appserver.h1.fields cimport FieldReader
from appserver.http.field cimport Field, judge
from appserver.http.limits cimport Limits
from appserver.http.message cimport Head

cdef int CR, LF, SPACE, SLASH, DEL
cdef bytes HTTP_1_1, HTTP_1_0, BAD
cdef Py_ssize_t VERSION_SIZE, MAX_KEPT_TARGET
cdef dict METHODS
cdef int DROPPED, MALFORMED

@cython.final
cdef class HeadReader:
    cdef readonly Request request
    cdef readonly bytes h2_settings
    cdef readonly bint is_chunked
    cdef public bint is_persistent
    cdef readonly int status
    cdef readonly str reason
    cdef FieldReader _fields
    cdef Head _head
    cdef Peer _peer
    cdef Py_ssize_t _max_field, _max_line
    cdef Field _method, _target, _scheme, _authority
    cdef str _version
    cdef bint _h2c, _in_fields, _websocket
    cdef Py_ssize_t _mark, _end

    cpdef next(self)
    @cython.locals(head=Head, fields=FieldReader, whole=bint)
    cpdef Py_ssize_t read(self, bytes data, Py_ssize_t at) except -1
    cpdef bint has_begun(self, bytes data, Py_ssize_t at) except -1
    cpdef Request refused(self)
    cdef _fail(self, int status, str reason)
    @cython.locals(head=Head)
    cdef _refuse_as_judged(self)

    # Request line
    @cython.locals(
        text="const unsigned char*", bad="const unsigned char*", size=Py_ssize_t, stop=Py_ssize_t, mark=Py_ssize_t, end=Py_ssize_t, found=int,
    )
    cdef Py_ssize_t _read_line(self, bytes data, Py_ssize_t at) except -1
    cdef _note_line(self, bytes method, bytes target)
    cdef _judge_version(self, bytes text)
    @cython.locals(text="const unsigned char*", method=Field, target=Field, known=Field, name=bytes, origin=bytes, head=Head)
    cdef _take_line(self, bytes data, Py_ssize_t at, Py_ssize_t mark, Py_ssize_t end)
    cdef bytes _split_absolute(self, Field method, bytes target)

    # The end of the head
    @cython.locals(head=Head, request=Request)
    cdef _finish(self)
    cdef _take_upgrade(self, list values, Request request)
    cdef bint _take_codings(self, list codings, Request request) except -1
    cdef _take_connection(self, list values, Request request)

@cython.locals(text="const unsigned char*", byte=cython.uchar)
cdef bint _is_same(bytes data, Py_ssize_t at, Py_ssize_t end, bytes value) except -1
cdef int _is_version(bytes data, Py_ssize_t at) except -1
