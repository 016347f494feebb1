cimport cython

from libc.stdint cimport uint64_t

from appserver.accepted cimport Trust
from appserver.http.forwarded cimport Hop

cdef int HOPS, _COMMA


@cython.final
cdef class TrustedNetwork:
    cdef readonly bint is_ipv4
    cdef readonly uint64_t high, high_mask, low, low_mask
    cpdef bint contains(self, Hop hop)

cdef class TrustList(Trust):
    cdef bint _everyone, _unix
    cdef list _networks
    cdef Hop _hop

    @cython.locals(text="const unsigned char*", start=Py_ssize_t, stop=Py_ssize_t, _=int, hop=Hop)
    cpdef object resolve(self, bytes forwarded_for)
    cpdef bint trusts(self, object hop) except -1
    @cython.locals(network=TrustedNetwork)
    cdef bint _trusts(self, Hop hop) except -1
