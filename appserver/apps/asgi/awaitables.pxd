cimport cython

from appserver.contract cimport Receiver

cdef str REUSED

cdef class Channel(Receiver):
    cpdef next_message(self)
    cpdef take_message(self, message)

@cython.final
@cython.freelist(64)
cdef class Receiving:
    cdef Channel _channel
    cdef object _waiting
    cpdef open(self, Channel channel)

@cython.final
@cython.freelist(64)
cdef class Sending:
    cdef Channel _channel
    cdef object _message
    cdef object _waiting
    cpdef open(self, Channel channel, message)
