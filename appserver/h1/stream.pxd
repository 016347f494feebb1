cimport cython

from appserver.contract cimport Request, Stream
from appserver.h1.wire cimport Wire
from appserver.http.grammar cimport parse_length

cdef bytes COLON, CRLF, LAST_CHUNK, CHUNKED, EMPTY, GOES_ON, CLOSES, KEEPS_ALIVE, UPGRADES
cdef Py_ssize_t PIECE_OVERHEAD
cdef dict LINES

@cython.locals(line=bytes)
cpdef bytes status_line(int status)

@cython.freelist(64)
cdef class Http1Stream(Stream):
    cdef readonly bint awaits, responded
    cdef Wire _wire
    cdef readonly Request request
    cdef long long _left
    cdef bint _bodiless, _chunked, _ended, _persistent, _tunnel
    cdef Py_ssize_t _size
    cdef bytes _size_line, _line

    cpdef open(self, Wire wire, Request request, bint writable)

    # Head
    cpdef inform(self, int status, list fields)
    @cython.locals(out=list, interim=list, at=Py_ssize_t)
    cdef _inform_late(self, Wire wire, int status, list fields)
    @cython.locals(wire=Wire, out=list, line=bytes, persistent=bint, length=cython.longlong, pair=tuple, name=bytes, value=bytes)
    cpdef respond(self, int status, list fields, bint end)
    @cython.locals(request=Request, old=bint)
    cdef _frame(self, list out, int status, long long length, bint end)
    @cython.locals(request=Request)
    cdef _upgrade(self, Wire wire, list fields)
    @cython.locals(name=bytes, value=bytes)
    cdef _append(self, list out, list fields)

    # Body
    @cython.locals(wire=Wire, out=list, size=Py_ssize_t)
    cpdef write(self, bytes chunk, bint end)
    cpdef file_sent(self, long long size)
    @cython.locals(wire=Wire)
    cpdef finish(self, list trailers)
    @cython.locals(wire=Wire)
    cdef _end(self)

    # Flow and failure
    cpdef grant(self, Py_ssize_t size)
    @cython.locals(wire=Wire)
    cpdef reset(self, int reason)
    cpdef bint is_cut_unseen(self) except -1
    cpdef lose(self)
