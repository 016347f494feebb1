cimport cython

from appserver.accepted cimport Forwarding, Peer
from appserver.contract cimport Request
from appserver.http.grammar cimport is_authority, parse_port

cdef class ForwardingPolicy(Forwarding):
    cdef frozenset _read_here, _taken, _taken_of_trusted

    cpdef apply(self, object request)
    @cython.locals(peer=Peer, taken=frozenset, is_trusted=bint, kept=list, pair=tuple)
    cdef _apply(self, Request request)
    @cython.locals(said=dict, host=bytes, port=bytes, prefix=bytes, authority=bytes, number=int)
    cdef _read(self, Request request)
