cimport cython

from appserver.accepted cimport Forwarding, Peer, Trust
from appserver.contract cimport Request
from appserver.http.body cimport BodyMeter
from appserver.http.field cimport Field, classify, judge_as
from appserver.http.grammar cimport is_field_value, parse_scheme
from appserver.http.limits cimport Limits
from appserver.http.priority cimport read_priority

cdef int AUTHORITY, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, DROPPED, EXPECT, FORWARDED, FORWARDED_FOR
cdef int FORWARDED_PROTO, HOST, METHOD, PATH, PLAIN, PRIORITY, SCHEME, TE, TRANSFER_ENCODING, UPGRADE
cdef str BAD_FIELD, CONNECT_REFUSED
cdef int MAX_COOKIE_FIELDS, DROP_FACTOR


@cython.final
cdef class Head:
    cdef Limits _limits
    cdef Field _method, _path, _scheme, _authority, _protocol, _host
    cdef int _hosts, _forwarded_protos
    cdef long long _content_length
    cdef Py_ssize_t _count, _size
    cdef list _cookies, _forwarded_lines
    cdef bytes _forwarded_for, _forwarded_proto, _priority
    cdef bint _connect_protocol, _trailers_accepted, _forwarded, _forwarded_more, _has_content_type, _has_regular
    cdef readonly bint h2
    cdef public list fields
    cdef public int verdict
    cdef public str reason
    cdef readonly bytes expect
    cdef readonly list connection, codings, dropped, upgrade

    cpdef begin(self)
    cpdef fail(self, int verdict, str reason)
    cpdef BodyMeter meter(self, long long length)
    @cython.locals(kind=int)
    cpdef add(self, bytes name, bytes value)
    @cython.locals(kind=int)
    cpdef take(self, Field field)
    cdef bint _admit(self, int kind, Py_ssize_t size) except -1
    cdef _exceed(self, Py_ssize_t count, Py_ssize_t limit, str reason)
    cdef _add_cookie(self, bytes value)
    cdef _add_forwarded(self, int kind, bytes value)
    @cython.locals(twice=bint)
    cdef _add_pseudo(self, int kind, Field field)
    cdef _add_special(self, int kind, Field field)
    cdef _add_hop_by_hop(self, int kind, bytes value)
    cpdef line(self, Field method, Field scheme, Field path, Field authority)
    @cython.locals(request=Request, method=Field, path=Field, host=bytes, forwarding=Forwarding, is_road=bint)
    cpdef request(self, Peer peer, bint ends, str version)
    @cython.locals(request=Request)
    cpdef Request refused(self, Peer peer, str version)
    @cython.locals(lines=list, forwarding=Forwarding)
    cdef _resolve(self, Request request, Peer peer)
    @cython.locals(is_tunnel=bint)
    cdef _judge_whole(self, Field method, Field path, bint ends)
    @cython.locals(is_extended=bint)
    cdef _judge_incomplete(self)
    @cython.locals(authority=Field, host=Field)
    cdef bytes _judge_host(self, str version)
    cpdef trailers(self)


cdef _set_target(Request request, Field path)
