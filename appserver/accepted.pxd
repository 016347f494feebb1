# Who is on the other side, as C types: attributes become struct fields, methods C slots.

cdef class Trust:
    cpdef object resolve(self, bytes forwarded_for)
    cpdef bint trusts(self, object hop) except -1

cdef class Forwarding:
    cdef public bint is_plain, reads_for, reads_proto
    cpdef apply(self, object request)

cdef class Peer:
    cdef public object client
    cdef public object server
    cdef public str scheme
    cdef public Trust trust
    cdef public Forwarding forwarding
    cdef public object tls
    cdef public object proxy
    cdef public bint early_hints
    cdef public dict memo
