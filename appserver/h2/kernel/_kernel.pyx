# cython: language_level=3, wraparound=False, initializedcheck=False
"""One HTTP/2 connection over libnghttp2, sans I/O: bytes in, calls up; calls down, bytes out.

nghttp2 owns framing, HPACK, windows and stream states. Its own message validation is off: fields are
judged by `http.message`, as for the pure engine. Policy and sockets are `h2.connection`'s.
"""

cimport cython
from cpython.buffer cimport PyBuffer_FillInfo
from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_GET_SIZE
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE
from cpython.ref cimport Py_DECREF, Py_INCREF, PyObject
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset

from appserver.accepted cimport Peer
from appserver.contract cimport Receiver, Request
from appserver.contract cimport Stream as ContractStream
from appserver.h2.growth cimport WindowGrowth
from appserver.h2.kernel.nghttp2 cimport *
from appserver.http.body cimport BodyMeter
from appserver.http.field cimport Field, judge
from appserver.http.message cimport Head

from appserver.contract import DEFAULT_URGENCY, Reset
from appserver.h2.engine import (
    CONNECTION_QUEUE,
    MAX_CONTINUATIONS,
    MAX_RESPONSE_HEAD,
    PASSED_OVER,
    STREAM_QUEUE,
    trailers_only,
)
from appserver.h2.engine import ONE_FRAME as ONE_FRAME_SIZE
from appserver.h2.growth import GROWTH_PING
from appserver.h2.priorities import MAX_PAYLOAD, BrokenPriority, PrioritySignals
from appserver.http.message import DROP_CONNECTION, RESET

cdef extern from "Python.h":
    int _PyBytes_Resize(PyObject **bytes, Py_ssize_t size) except -1

cdef extern from *:
    """
    #include <nghttp2/nghttp2.h>
    /* Limiters that came after 1.52 or were backported without a new version number: found by symbol. */
    extern void nghttp2_option_set_stream_reset_rate_limit(nghttp2_option *, uint64_t, uint64_t) __attribute__((weak));
    extern void nghttp2_option_set_max_continuations(nghttp2_option *, size_t) __attribute__((weak));
    extern void nghttp2_option_set_glitch_rate_limit(nghttp2_option *, uint64_t, uint64_t) __attribute__((weak));
    static int has_reset_limit(void) { return nghttp2_option_set_stream_reset_rate_limit != NULL; }
    static int has_continuation_limit(void) { return nghttp2_option_set_max_continuations != NULL; }
    static int has_glitch_limit(void) { return nghttp2_option_set_glitch_rate_limit != NULL; }
    static void set_continuation_limit(nghttp2_option *option, size_t limit) {
        if (nghttp2_option_set_max_continuations != NULL) nghttp2_option_set_max_continuations(option, limit);
    }
    static void set_reset_limit(nghttp2_option *option, uint64_t burst, uint64_t rate) {
        if (nghttp2_option_set_stream_reset_rate_limit != NULL)
            nghttp2_option_set_stream_reset_rate_limit(option, burst, rate);
    }
    """
    int has_reset_limit()
    int has_continuation_limit()
    int has_glitch_limit()
    void set_continuation_limit(nghttp2_option *option, size_t limit)
    void set_reset_limit(nghttp2_option *option, uint64_t burst, uint64_t rate)

cdef enum:
    SLOT_BITS = 7
    SLOTS = 128
    # Where a field may stand: a power of two.
    PLACES = 2
    # Longer values seldom repeat; and what a connection remembers at most.
    MAX_CACHED_VALUE = 512
    MAX_CACHED_BYTES = 32768
    MAX_HITS = 16
    KNOWN_SIZE = 512
    STACK_NV = 64
    MAX_SETTINGS = 16
    # Payloads from this size on are handed to the transport without a copy.
    UNCOPIED = 4096
    SCRATCH = 65536
    FRAME_HEADER = 9
    # Smaller writes that wait behind others are gathered.
    GATHERED = 1024
    # DATA frames of one read are delivered together, up to this size.
    LARGEST_BODY = 65536
    BULK = 4096
    PRIORITY_PAYLOAD = 261
    LARGEST_DATA = 65536
    # Resets of one connection: this many, and this many more each second. Budgets of our own are yet to come.
    RESET_BURST = 10000
    RESET_RATE = 1000
    HIGHEST_STREAM = 0x7FFFFFFF
    # Closed streams whose late frames can still be told apart; nghttp2 keeps as many as may be open.
    REMEMBERED_STREAMS = 128

cdef Py_ssize_t STREAM_HIGH = STREAM_QUEUE
cdef Py_ssize_t STREAM_LOW = STREAM_QUEUE // 2
cdef Py_ssize_t CONNECTION_HIGH = CONNECTION_QUEUE
cdef Py_ssize_t CONNECTION_LOW = CONNECTION_QUEUE // 2
cdef Py_ssize_t ONE_FRAME = ONE_FRAME_SIZE
cdef int TURNS = PASSED_OVER
cdef int URGENCY = DEFAULT_URGENCY
assert MAX_PAYLOAD == PRIORITY_PAYLOAD
cdef size_t HEAD_BYTES = MAX_RESPONSE_HEAD
cdef int CONTINUATIONS = MAX_CONTINUATIONS
cdef bytes GROWTH_DATA = GROWTH_PING
cdef int VERDICT_RESET = RESET
cdef int VERDICT_DROP = DROP_CONNECTION
cdef uint32_t NO_ERROR = Reset.NO_ERROR
cdef uint32_t PROTOCOL_ERROR = Reset.PROTOCOL_ERROR
cdef uint32_t INTERNAL_ERROR = Reset.INTERNAL_ERROR
cdef uint32_t CANCEL = Reset.CANCEL
cdef uint32_t STREAM_CLOSED = Reset.STREAM_CLOSED
cdef uint32_t REFUSED_STREAM = Reset.REFUSED_STREAM
cdef uint32_t FRAME_SIZE_ERROR = Reset.FRAME_SIZE_ERROR
cdef uint32_t ENHANCE_YOUR_CALM = Reset.ENHANCE_YOUR_CALM
cdef list STATUSES = [b"%d" % status for status in range(1000)]


def nghttp2_version():
    """Return the version of the libnghttp2 that is loaded."""
    return nghttp2_version_info(0).version_str.decode("ascii")


def limiters():
    """Return which of nghttp2's optional limiters the loaded library has."""
    return {
        "stream_reset_rate_limit": bool(has_reset_limit()),
        "max_continuations": bool(has_continuation_limit()),
        "glitch_rate_limit": bool(has_glitch_limit()),
    }


include "fields.pxi"
include "watch.pxi"
include "turns.pxi"
include "outbox.pxi"
include "stream.pxi"
include "streams.pxi"
include "session.pxi"
include "callbacks.pxi"
