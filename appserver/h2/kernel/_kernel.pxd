# The kernel's table of contents: who owns what, and what is called from where.

from libc.stdint cimport int32_t, uint8_t, uint32_t

from appserver.accepted cimport Peer
from appserver.contract cimport Receiver, Request
from appserver.contract cimport Stream as ContractStream
from appserver.h2.kernel.nghttp2 cimport nghttp2_nv, nghttp2_rcbuf, nghttp2_session
from appserver.http.message cimport Field, Head, Meter


cdef struct Slot:                           # one remembered field
    nghttp2_rcbuf *name                     # owned reference
    nghttp2_rcbuf *value                    # owned reference
    void *field                             # owned reference to a Field


cdef class Stream(ContractStream):
    cdef Engine engine                      # None once closed
    cdef int32_t id
    cdef Receiver receiver                  # None before begin and once closed
    cdef Meter meter                        # None if no body may follow
    cdef Stream before, after               # the engine's list of open streams
    cdef list fields                        # lent to nghttp2 until the head is serialised
    cdef list trailers                      # set by finish()
    cdef bytes chunk                        # what is being sent ...
    cdef Py_ssize_t offset                  # ... from here
    cdef list chunks                        # ... and what follows it; None while empty
    cdef Py_ssize_t queued                  # bytes in chunk[offset:] and chunks
    cdef Py_ssize_t owed                    # body bytes received and not granted
    cdef bint responded, ended              # the application's side: head queued, end queued
    cdef bint sharing                       # takes turns with other long responses
    cdef bint deferred                      # nghttp2 waits for resume_data
    cdef bint remote_ended                  # the peer's END_STREAM was seen
    cdef bint moved                         # something went out since the last look of expire()
    cdef double stamp                       # when expire() first saw its answer stand still; 0: it does not
    cdef bint trailing                      # the block being received is trailers

    cdef bint is_open(self)
    # Bytes in, called by the callbacks
    cdef int take_head(self, bint ends) except -1
    cdef int take_body(self, const uint8_t *data, size_t size) except -1
    cdef int take_end(self, list trailers) except -1
    cdef int refuse_body(self, int verdict) except -1
    cdef int answer(self, int verdict, str reason) except -1
    # Bytes out, called by the application
    cdef int submit(self, int status, list fields, bint end) except -1
    cdef int send_head(self, int status, list fields, bint end, bint interim) except -1
    cdef int enqueue(self, bytes chunk) except -1
    cdef int share(self) except -1
    cdef int spent(self, Py_ssize_t size) except -1
    cdef drop_queue(self)
    cdef int send_trailers(self) except -1
    cdef int give_up(self) except -1
    cdef int close(self) except -1


cdef class Engine:
    cdef nghttp2_session *session           # owned
    cdef readonly object owner              # the connection; None once lost
    cdef object begin                       # its bound method
    cdef Head head
    cdef Peer peer
    cdef Stream streams                     # first of the list of open streams
    cdef Stream last                        # the stream of the last callback: bodies come in runs
    cdef readonly Py_ssize_t inflight
    cdef readonly Py_ssize_t queued         # bytes queued by all streams
    cdef bint blocked                       # some stream was refused room: CONNECTION_QUEUE is full
    cdef bint busy                          # inside receive() or take(): output is flushed after it
    cdef public bint corked                 # so says the connection: it will flush by itself
    cdef bint terminated                    # GOAWAY with an error was queued
    cdef bint ping_due                      # once all that is queued has been sent
    cdef bytes greeting                     # our first frames, until they are taken
    cdef Py_ssize_t most                    # streams open at once
    cdef int continuations                  # in the block being received
    cdef int32_t highest                    # stream id the peer opened last
    cdef int32_t opening                    # its HEADERS began and nghttp2 has not announced it
    cdef uint8_t frame[9]                   # the frame header being scanned ...
    cdef int scanned                        # ... so far
    cdef Py_ssize_t skip                    # bytes up to the next frame header
    cdef int32_t closed[128]                # a ring of the streams that closed last
    cdef int closed_at
    cdef int32_t expected[128]              # a ring of those we reset while the peer could still send
    cdef int expected_at
    cdef BaseException fault                # raised by a call up inside a callback, re-raised by receive()
    cdef list unfinished                    # answered before the request ended: RST_STREAM(NO_ERROR) due
    cdef list output                        # buffers of the take() in progress
    cdef Py_ssize_t room                    # bytes that take() may still collect
    cdef Slot slots[128]

    # Bytes in
    cpdef receive(self, bytes data)
    cdef int feed(self, const uint8_t *data, Py_ssize_t size) except -1
    cdef bint is_late(self) except -1
    cdef void settle(self) noexcept
    cdef int fail(self, int code) except -1
    cdef void expect_more(self, int32_t stream_id) noexcept
    cdef bint is_expected(self, int32_t stream_id) noexcept
    cdef bint was_open(self, int32_t stream_id) noexcept
    cdef Field remember(self, nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags)
    # Bytes out
    cdef int greet(self, windows) except -1
    cdef int wake(self) except -1
    cpdef list take(self, Py_ssize_t most)
    cdef int put(self, const uint8_t *data, Py_ssize_t size) except -1
    cdef int put_payload(self, Stream stream, Py_ssize_t size) except -1
    cdef int seal(self) except -1
    cdef int unblock(self) except -1
    cdef int forget(self, Stream stream) except -1
    cdef bint follow_up(self) except -1
    cdef int park(self, BaseException error) except -1
