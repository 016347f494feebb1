cimport cython

from appserver.accepted cimport Peer
from appserver.contract cimport Request

cdef dict ASGI
cdef str HTTP2, HTTP10

@cython.final
cdef class ScopeBuilder:
    cdef readonly str root_path
    cdef str _inside
    cdef bint _in_target
    cdef public dict state

    @cython.locals(scope=dict, peer=Peer, template=dict)
    cpdef dict build(self, Request request)
    @cython.locals(nothing=dict)
    cdef dict _extensions(self, Peer peer, str version)
    cdef _add_priorities(self, dict extensions, Request request)
    cdef dict _template(self, Peer peer)
