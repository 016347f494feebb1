# The waist as C types: attributes become struct fields, methods C slots.

cimport cython

from appserver.accepted cimport Peer

@cython.freelist(64)
cdef class Request:
    cdef public str method
    cdef public bytes target
    cdef public str path
    cdef public bytes raw_path
    cdef public bytes query
    cdef public str scheme
    cdef public bytes authority
    cdef public list fields
    cdef public str version
    cdef public Peer peer
    cdef public str prefix
    cdef public object protocol
    cdef public object client
    cdef public object server
    cdef public long long length
    cdef public bint ends
    cdef public bint expects
    cdef public bint forwarded
    cdef public bint trailers_accepted
    cdef public tuple priority
    cdef public tuple dependency

cdef class Stream:
    cdef public bint writable
    cpdef inform(self, int status, list fields)
    cpdef respond(self, int status, list fields, bint end)
    cpdef prioritize(self, int urgency, int incremental)
    cpdef write(self, bytes chunk, bint end)
    cpdef finish(self, list trailers)
    cpdef grant(self, Py_ssize_t size)
    cpdef reset(self, int reason)

cdef class Receiver:
    cpdef start(self)
    cpdef on_body(self, bytes chunk)
    cpdef on_end(self, list trailers)
    cpdef on_writable(self)
    cpdef on_drain(self)
    cpdef on_half_closed(self)
    cpdef on_lost(self)
    cpdef on_refused(self, int status, long long sent)

cdef class Application:
    cpdef Receiver begin(self, Request request, Stream stream)
    cpdef tick(self)
