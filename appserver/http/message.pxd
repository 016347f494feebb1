cimport cython

from appserver.accepted cimport Peer
from appserver.contract cimport Request

cdef int _PLAIN, _COOKIE, _HOST, _LENGTH, _TE, _CONNECTION, _CODING, _EXPECT, _FORWARDED
cdef int _DROPPED, _METHOD, _PATH, _SCHEME, _AUTHORITY, _PROTOCOL, _SINGLE, _HOP, _BAD
cdef int _MOST_CRUMBS, _HARD
cdef dict _KINDS, _METHODS, _SCHEMES, _JUDGED
cdef bytes VALUE_TABLE, TARGET_TABLE


cdef class Limits:
    cdef readonly Py_ssize_t path, count, field, size
    cdef readonly long long body, discard

@cython.final
cdef class Field:
    cdef readonly int kind
    cdef readonly tuple pair
    cdef readonly bytes value
    cdef readonly Py_ssize_t size
    cdef readonly int verdict
    cdef readonly str reason
    cdef readonly str text
    cdef readonly bytes raw
    cdef readonly bytes query
    cdef readonly long long number
    cpdef fail(self, int verdict, str reason)

@cython.locals(kind=int, field=Field)
cpdef Field judge(bytes name, bytes value)

@cython.locals(field=Field)
cpdef Field recall(bytes name, bytes value)

cdef _judge_method(Field field, bytes method)
cdef _judge_scheme(Field field, bytes scheme)
cdef _judge_authority(Field field, bytes authority)
@cython.locals(byte=cython.uchar, mark=Py_ssize_t, at=Py_ssize_t, escaped=bint, raw=bytes)
cdef _judge_target(Field field, bytes target)

@cython.locals(byte=cython.uchar, first=cython.uchar, last=cython.uchar)
cdef bint _bad_value(bytes value)

@cython.locals(byte=cython.uchar, length=cython.longlong, size=Py_ssize_t)
cpdef long long parse_length(bytes value) except -2

@cython.final
cdef class Meter:
    cdef readonly long long length
    cdef readonly long long limit
    cdef readonly long long received
    cpdef int take(self, Py_ssize_t size)
    cpdef int end(self)

@cython.final
cdef class Head:
    cdef Limits _limits
    cdef Field _method, _path, _scheme, _authority, _host
    cdef int _hosts
    cdef long long _length
    cdef Py_ssize_t _count, _size
    cdef list _crumbs
    cdef bint _te, _protocol, _forwarded, _single, _regular
    cdef readonly bint h2
    cdef public list fields
    cdef public int verdict
    cdef public str reason
    cdef readonly bytes expect
    cdef readonly list connection, codings

    cpdef begin(self)
    cpdef fail(self, int verdict, str reason)
    cpdef Meter meter(self, long long length)
    cpdef add(self, bytes name, bytes value)
    @cython.locals(kind=int)
    cpdef take(self, Field field)
    cdef _too_large(self)
    cdef _too_many(self, Py_ssize_t count, Py_ssize_t limit, str reason)
    cdef _add_crumb(self, bytes value)
    @cython.locals(twice=bint)
    cdef _add_pseudo(self, int kind, Field field)
    cdef _add_special(self, int kind, Field field)
    cdef _add_hop(self, int kind, Field field)
    cpdef line(self, Field method, Field scheme, Field path, Field authority)
    @cython.locals(request=Request, method=Field, path=Field, scheme=Field, host=bytes)
    cpdef request(self, Peer peer, bint ends, str version)
    @cython.locals(request=Request)
    cpdef Request refused(self, Peer peer, str version)
    cdef _forward(self, Request request, trust)
    cdef _judge_whole(self, Field method, Field path, bint ends)
    cdef _incomplete(self)
    @cython.locals(authority=Field, host=Field)
    cdef bytes _name_host(self, str version)
    cpdef trailers(self)
