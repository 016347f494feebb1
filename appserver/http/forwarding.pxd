cimport cython

from appserver.accepted cimport Forwarding, Peer
from appserver.contract cimport Request
from appserver.http.forwarded cimport Hop
from appserver.http.forwarded_element cimport ForwardedElement, parse_node
from appserver.http.grammar cimport is_authority, parse_port, parse_scheme

cdef int ADDRESS, MALFORMED, MAX_HOPS


cdef class ForwardingPolicy(Forwarding):
    cdef frozenset _read_here, _taken, _taken_of_trusted

    cdef _take_out(self, frozenset believed, bint strip)
    cpdef apply(self, object request)
    @cython.locals(peer=Peer, taken=frozenset, is_trusted=bint, kept=list, pair=tuple)
    cdef _apply(self, Request request)
    @cython.locals(said=dict, host=bytes, port=bytes, prefix=bytes, authority=bytes, number=int)
    cdef _read(self, Request request)


cdef class ForwardedPolicy(ForwardingPolicy):
    cdef bint _reads_for, _reads_proto, _reads_host
    cdef ForwardedElement _element
    cdef Hop _hop

    @cython.locals(
        peer=Peer, text=bytes, element=ForwardedElement, hop=Hop, scheme=str, said=str, host=bytes, stop=Py_ssize_t, _=int, kind=int,
    )
    cdef _read(self, Request request)
