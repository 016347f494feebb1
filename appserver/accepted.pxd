# Who is on the other side, as a C type: attributes become struct fields.

cdef class Peer:
    cdef public object client
    cdef public object server
    cdef public str scheme
    cdef public object trust
    cdef public object tls
    cdef public object proxy
    cdef public dict memo
