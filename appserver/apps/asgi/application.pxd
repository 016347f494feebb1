cimport cython

from appserver.apps.asgi.exchange cimport Exchange
from appserver.apps.asgi.host cimport Host
from appserver.apps.asgi.websocket cimport WebSocket
from appserver.contract cimport Application, Receiver, Request, Stream

cdef class AsgiApplication(Application):
    cdef readonly Host host
    cdef object _lifespan
    @cython.locals(exchange=Exchange, session=WebSocket)
    cpdef Receiver begin(self, Request request, Stream stream)
