cimport cython

from appserver.apps.asgi.awaitables cimport Channel, Sending
from appserver.apps.asgi.host cimport Host
from appserver.contract cimport Request, Stream

cdef class Conversation(Channel):
    cdef readonly Host host
    cdef public long long burst
    cdef object _task
    cdef public list receive_waiters
    cdef public object send_waiter

    cpdef open_conversation(self, Host host, Request request, Stream stream)
    cpdef bint is_over(self) except -1
    cpdef bint is_lost(self) except -1
    cpdef on_returned(self)
    cpdef on_error(self, error)
    @cython.locals(host=Host)
    cpdef run(self, scope)
    @cython.locals(was_over=bint)
    cdef _conclude(self, task)
    cpdef receive(self)
    @cython.locals(sending=Sending)
    cpdef send(self, message)
    cpdef receive_waiter(self)
    cpdef wake_receivers(self)
    cpdef wake_senders(self)
