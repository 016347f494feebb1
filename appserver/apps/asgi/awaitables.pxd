cimport cython

from appserver.http.answer cimport Answer

cdef str REUSED

cdef class Sending

cdef class Channel(Answer):
    cdef public Sending spare
    cpdef next_message(self)
    cpdef take_message(self, message)

@cython.final
cdef class Receiving:
    cdef Channel _channel
    cdef object _waiting
    cpdef open(self, Channel channel)

@cython.final
cdef class Sending:
    cdef Channel _channel
    cdef object _message
    cdef object _waiting
    cpdef open(self, Channel channel, message)
