cimport cython

from appserver.contract cimport Request, Stream
from appserver.http.answer cimport Answer, AnswerContext

cdef str REUSED

cdef class Sending

cdef class Channel(Answer):
    cdef public Sending spare
    cpdef open_channel(self, AnswerContext context, Request request, Stream stream)
    cpdef next_message(self)
    cpdef wait_for_message(self)
    cpdef take_message(self, message)

@cython.final
cdef class Sending:
    cdef Channel _channel
    cdef object _message
    cdef object _waiting
    cpdef open(self, Channel channel, message)
