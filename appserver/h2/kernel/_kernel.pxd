# The kernel's table of contents: who owns what, and what is called from where.

from libc.stdint cimport int32_t, uint8_t, uint32_t

from appserver.accepted cimport Peer
from appserver.contract cimport Receiver, Request
from appserver.contract cimport Stream as ContractStream
from appserver.h2.growth cimport WindowGrowth
from appserver.h2.kernel.nghttp2 cimport nghttp2_nv, nghttp2_rcbuf, nghttp2_session, nghttp2_vec
from appserver.http.body cimport BodyMeter
from appserver.http.field cimport Field
from appserver.http.message cimport Head


# fields.pxi

cdef struct Slot:                           # a field by the two buffers that nghttp2 repeats for it
    nghttp2_rcbuf *name                     # owned reference
    nghttp2_rcbuf *value                    # owned reference
    void *field                             # owned reference to a Field; NULL: seen once
    Py_ssize_t size                         # bytes of both
    int hits                                # misses that it survives


cdef class FieldCache:                      # one connection's repeated fields
    cdef Slot slots[128]
    cdef Py_ssize_t size                    # bytes of all that is held
    cdef int hand                           # the place that makes room next
    cdef int add(self, Head head, nghttp2_rcbuf *name, nghttp2_rcbuf *value, uint8_t flags) except -1
    cdef int promote(self, Slot *slot, Head head) except -1
    cdef int insert(self, size_t mixed, nghttp2_rcbuf *name, nghttp2_rcbuf *value, Py_ssize_t size) noexcept
    cdef void clear(self, Slot *slot) noexcept


# watch.pxi

cdef class FrameWatch:                      # follows frame headers, and the ids of streams that are over
    cdef uint8_t frame[9]                   # the frame header being scanned ...
    cdef int scanned                        # ... so far
    cdef Py_ssize_t skip                    # bytes up to the next frame header
    cdef uint8_t payload[261]               # of a priority frame ...
    cdef Py_ssize_t payload_size            # ... so far
    cdef bint collecting                    # inside of one
    cdef int continuations                  # in the block being received
    cdef int32_t highest                    # stream id the peer opened last
    cdef int32_t opening                    # its HEADERS began and nghttp2 has not announced it
    cdef int32_t closed[128]                # a ring of the streams that closed last
    cdef int closed_at
    cdef int32_t expected[128]              # a ring of those we reset while the peer could still send
    cdef int expected_at
    cdef Py_ssize_t next_frame(self, const uint8_t *data, Py_ssize_t size, Py_ssize_t at) noexcept
    cdef Py_ssize_t collect(self, const uint8_t *data, Py_ssize_t size, Py_ssize_t at) noexcept
    cdef bint is_cut(self) noexcept
    cdef int32_t stream_id(self) noexcept
    cdef void expect_more(self, int32_t stream_id) noexcept
    cdef void note_closed(self, int32_t stream_id) noexcept
    cdef bint is_expected(self, int32_t stream_id) noexcept
    cdef bint was_open(self, int32_t stream_id) noexcept
    cdef void settle(self) noexcept


# turns.pxi

cdef class Turns:                           # who was passed over; there is one once the peer spoke of priorities
    cdef long long frames                   # DATA frames sent
    cdef long long checked                  # when somebody was passed over last, or nobody was found
    cdef long long seen                     # by has_moved()
    cdef Stream starving                    # who is to send before all others; None: nobody
    cdef list waiting                       # who could have sent and gave way
    cdef bint gives_way(self, Engine engine, Stream stream) except -1
    cdef Stream longest_waiting(self, Engine engine)
    cdef int on_sent(self, Engine engine, Stream stream) except -1
    cdef bint let_all_go_on(self, Engine engine) except -1
    cdef bint has_moved(self) noexcept


# outbox.pxi

cdef class Slice:                           # a part of a body, as a buffer
    cdef bytes chunk
    cdef Py_ssize_t offset, size


cdef class Outbox:                          # the output of one take()
    cdef list buffers
    cdef uint8_t *scratch                   # small pieces are gathered here ...
    cdef Py_ssize_t used                    # ... so far
    cdef Py_ssize_t remaining               # bytes that take() may still collect
    cdef int begin(self, Py_ssize_t max_bytes) except -1
    cdef list end(self)
    cdef int copy(self, const uint8_t *data, Py_ssize_t size) except -1
    cdef void make_data(self) noexcept
    cdef int refer(self, bytes chunk, Py_ssize_t offset, Py_ssize_t size) except -1
    cdef int seal(self) except -1


cdef class ByteQueue:                       # body bytes that wait for the wire
    cdef readonly Py_ssize_t size           # bytes that wait
    cdef bytes chunk                        # what is being sent ...
    cdef Py_ssize_t offset                  # ... from here
    cdef list chunks                        # what follows it ...
    cdef Py_ssize_t first                   # ... from here
    cdef bytearray tail                     # small writes, gathered, after all that
    cdef int append(self, bytes chunk) except -1
    cdef int gather(self) except -1
    cdef int move(self, Outbox outbox, Py_ssize_t size) except -1
    cdef int advance(self) except -1


# stream.pxi

cdef class Stream(ContractStream):
    cdef Engine engine                      # None once closed
    cdef int32_t id
    cdef Receiver receiver                  # None before begin, and when nobody is to be told any more
    cdef Request request                    # while its body may be refused
    cdef BodyMeter meter                    # None if no body may follow
    cdef Stream before, after               # the engine's list of open streams
    cdef int status                         # of the head that is held
    cdef list fields                        # lent to nghttp2 until the head is serialised
    cdef list trailers                      # set by finish()
    cdef ByteQueue queue                    # None until something is written
    cdef bytes body                         # being filled with DATA of this read ...
    cdef Py_ssize_t body_size               # ... so far; None and 0 between two reads
    cdef Py_ssize_t owed                    # body bytes received and not granted
    cdef long long discarded                # body bytes that came after the answer was complete
    cdef bint responded, ended              # the application's side: head given, end given
    cdef bint head_held, end_held           # not yet submitted: the next take() will
    cdef int urgency                        # RFC 9218, as do the others
    cdef bint incremental                   # takes turns with others of its urgency
    cdef bint incremental_given             # by the client, the application, or for it
    cdef int own_urgency, own_incremental   # what the application said; -1: nothing
    cdef tuple priority                     # what a frame said before the request came, as `Request` has it
    cdef tuple dependency                   # RFC 7540's, as `Request` has it
    cdef long long waits_since              # the turn after which it could have sent
    cdef bint deferred                      # nghttp2 waits for resume_data
    cdef bint end_sent                      # our END_STREAM is in the output
    cdef bint remote_ended                  # the peer's END_STREAM was seen
    cdef bint was_reset                     # RST_STREAM is queued
    cdef bint connect                       # an extended CONNECT: 2xx makes it a tunnel
    cdef bint tunnel                        # bytes both ways, each half ends by itself
    cdef bint trailing                      # the block being received is trailers
    cdef bint progressed                    # something went out since the last look of expire()
    cdef double stamp                       # when expire() first saw it wait; 0: it does not

    cdef bint is_open(self) noexcept
    cdef Py_ssize_t queued(self) noexcept
    # Bytes in, called by the callbacks
    cdef int take_head(self, bint ends) except -1
    cdef int begin(self, Request request) except -1
    cdef int take_body(self, const uint8_t *data, size_t size) except -1
    cdef int gather_body(self, const uint8_t *data, Py_ssize_t size) except -1
    cdef int deliver_body(self) except -1
    cdef int take_end(self, list trailers) except -1
    cdef int discard(self, Py_ssize_t size) except -1
    cdef int on_end_sent(self) except -1
    cdef int stop_upload(self) except -1
    cdef int refuse_head(self) except -1
    cdef int refuse_body(self, int verdict) except -1
    # Bytes out
    cdef int submit_head(self) except -1
    cdef int submit_fields(self, int status, list fields, bint interim, bint end) except -1
    cdef int hold_end(self) except -1
    cdef int submit_end(self) except -1
    cdef int submit_trailers(self) except -1
    cdef int send_payload(self, Py_ssize_t size) except -1
    cdef int check_writable(self) except -1
    cdef int drop_queue(self) except -1
    # The end
    cdef int expire(self, double now, double stall, double discard) except -1
    cdef int give_up(self, str reason) except -1
    cdef int close(self) except -1


# session.pxi

cdef class Engine:
    cdef nghttp2_session *session           # owned
    cdef readonly object owner              # the connection; None once lost
    cdef object begin                       # its bound method
    cdef Head head
    cdef Peer peer
    cdef FieldCache fields
    cdef FrameWatch watch
    cdef Outbox outbox
    cdef WindowGrowth growth
    cdef object signals                     # priority frames; None until there is one
    cdef Turns turns                        # None until somebody speaks of priorities
    cdef Stream streams                     # first of the list of open streams
    cdef Stream last                        # the stream of the last callback: bodies come in runs
    cdef list held                          # streams whose head waits for take()
    cdef list receiving                     # streams whose body is delivered at the end of this read
    cdef readonly Py_ssize_t inflight
    cdef readonly Py_ssize_t queued         # bytes queued by all streams
    cdef bint blocked                       # some stream may not write: CONNECTION_QUEUE is full
    cdef bint busy                          # inside receive() or take(): output is flushed after it
    cdef public bint corked                 # so says the connection: it will flush by itself
    cdef bint terminated                    # GOAWAY with an error was queued
    cdef bint ping_due                      # once all that is queued has been sent
    cdef bytes settings                     # our first frame, until it is taken
    cdef Py_ssize_t max_streams             # open at once
    cdef int32_t last_announced             # by the second GOAWAY of a drain: streams above it are not taken
    cdef long long connection_window
    cdef public long long max_discard
    cdef BaseException fault                # raised by a call up inside a callback, re-raised by receive() or take()

    # Bytes in
    cpdef upgrade(self, Request request, bytes settings)
    cpdef receive(self, data, Py_ssize_t size)
    cdef int deliver_bodies(self) except -1
    cdef int feed(self, const uint8_t *data, Py_ssize_t size) except -1
    cdef bint is_late(self) except -1
    cdef int refuse_frame(self, uint32_t code, str reason) except -1
    cdef bint take_signal(self) except -1
    cdef int read_signal(self, bytes payload) except -1
    cdef int open_signalled(self, Stream stream) except -1
    cdef int on_failure(self, int code) except -1
    cdef int grow_windows(self) except -1
    # Bytes out
    cdef int submit_settings(self, settings) except -1
    cdef int wake(self) except -1
    cpdef list take(self, Py_ssize_t max_bytes)
    cdef int submit_heads(self) except -1
    cdef bint submit_ping(self) except -1
    cdef int unblock(self) except -1
    # The end
    cdef int lose_streams(self) except -1
    cdef int park(self, BaseException error) except -1
    cdef int raise_fault(self) except -1
