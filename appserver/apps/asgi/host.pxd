cimport cython

from appserver.accepted cimport Peer
from appserver.contract cimport Request
from appserver.http.reply cimport Reply

cdef class Host:
    cdef public object app, loop, task, observer
    cdef public str root_path
    cdef public Reply reply
    cdef public dict state
    cdef public dict eager
    cdef public set running
    cdef public bint dated
    cdef public tuple date
    cdef public tuple server

    @cython.locals(scope=dict, peer=Peer, template=dict)
    cpdef dict scope(self, Request request)
    cdef dict _template(self, Peer peer)
    cpdef tick(self)
    cpdef report(self, Request request, error)
