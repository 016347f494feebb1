cimport cython

from appserver.accepted cimport Peer
from appserver.contract cimport Request
from appserver.h1.recall cimport Recall
from appserver.http.message cimport Field, Head, Limits, Meter, judge

cdef bytes CRLF, HEAD_END
cdef int CR, LF
cdef Py_ssize_t EXTENSION, EXTENSIONS, TRAILERS, TRAILER_FIELDS, CHUNK_LINE, KEPT_LINE, KEPT_BLOCK, COPIED

@cython.locals(mark=Py_ssize_t)
cdef Py_ssize_t _line_end(bytes data, Py_ssize_t at) except -1

@cython.final
cdef class Parser:
    cdef readonly Request request
    cdef public list body
    cdef readonly list trailers
    cdef readonly bint begun, complete, persistent
    cdef readonly long long remaining
    cdef readonly int status
    cdef readonly str reason

    cdef object _execute_raw
    cdef Head _head, _trailer
    cdef Limits _limits
    cdef Peer _peer
    cdef Meter _meter
    cdef bytes _line, _tail, _kept_line, _kept_block
    cdef Field _scheme, _method, _target, _authority
    cdef str _version
    cdef Recall _recall
    cdef Py_ssize_t _quick, _head_size, _run, _extensions
    cdef bint _carriage, _lined, _upgraded, _spent, _moved, _sized, _in_chunk

    cpdef next(self)
    cdef _renew(self)
    cpdef close(self)
    cpdef fail(self, int status, str reason)
    cpdef Py_ssize_t feed(self, bytes data, Py_ssize_t at) except -1
    cdef bint _execute(self, object piece) except -1

    # Called by llhttp
    @cython.locals(field=Field)
    cpdef on_header(self, bytes name, bytes value)
    cpdef on_body(self, bytes piece)
    cpdef on_chunk_header(self)
    cpdef on_message_complete(self)

    # Head
    @cython.locals(end=Py_ssize_t)
    cdef Py_ssize_t _feed_head(self, bytes data, Py_ssize_t at) except -1
    @cython.locals(stop=Py_ssize_t, text="const unsigned char*", line=bytes, block=bytes)
    cdef _take_head(self, bytes data, Py_ssize_t at, Py_ssize_t end)
    @cython.locals(byte=cython.uchar)
    cdef Py_ssize_t _skip_blank(self, bytes data, Py_ssize_t at) except -1
    @cython.locals(end=Py_ssize_t, stop=Py_ssize_t, most=Py_ssize_t, piece=bytes)
    cdef Py_ssize_t _feed_part(self, bytes data, Py_ssize_t at) except -1
    @cython.locals(tail=bytes, last=bytes, seam=Py_ssize_t, end=Py_ssize_t)
    cdef Py_ssize_t _find_end(self, bytes data, Py_ssize_t at) except -1
    @cython.locals(most=Py_ssize_t, piece=bytes, line=bytes, mark=Py_ssize_t)
    cdef Py_ssize_t _feed_line(self, bytes data, Py_ssize_t at, Py_ssize_t stop) except -1
    @cython.locals(head=Head, request=Request)
    cdef _finish_head(self, bytes line)
    @cython.locals(words=list, method=bytes, target=bytes, version=bytes)
    cdef bint _read_line(self, bytes line) except -1
    cdef bytes _split_absolute(self, bytes method, bytes target)

    # Framing
    @cython.locals(head=Head)
    cdef _frame(self, Request request)
    cdef bint _frame_chunks(self, Request request) except -1
    cdef bint _keep_body(self, Request request) except -1
    cdef _read_connection(self, Request request)

    # Body
    @cython.locals(size=Py_ssize_t)
    cdef Py_ssize_t _feed_length(self, bytes data, Py_ssize_t at) except -1
    @cython.locals(stop=Py_ssize_t, size=Py_ssize_t)
    cdef Py_ssize_t _feed_chunks(self, bytes data, Py_ssize_t at) except -1
    cdef _account(self, Py_ssize_t size)
    cdef Head _trailing(self)
    @cython.locals(trailers=list)
    cdef _finish_trailers(self, Head trailer)
