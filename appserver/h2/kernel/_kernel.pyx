# cython: language_level=3, wraparound=False, initializedcheck=False
"""One HTTP/2 connection over libnghttp2, sans I/O: bytes in, calls up; calls down, bytes out.

nghttp2 owns framing, HPACK, windows and stream states. Its own message validation is off: fields are
judged by `http.message`, as for the pure engine. Policy and sockets are `h2.connection`'s.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.list cimport PyList_GET_SIZE
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdint cimport int32_t, uint8_t, uint32_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from appserver.accepted cimport Peer
from appserver.contract cimport Receiver, Request
from appserver.contract cimport Stream as ContractStream
from appserver.h2.kernel.nghttp2 cimport *
from appserver.http.message cimport Field, Head, Meter, judge, recall

from appserver.contract import Reset
from appserver.h2.engine import CONNECTION_QUEUE, MAX_CONTINUATIONS, MOST_HEAD, STREAM_QUEUE
from appserver.http.message import DROP_CONNECTION, OK, RESET

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
    static void raise_continuation_limit(nghttp2_option *option, size_t most) {
        if (nghttp2_option_set_max_continuations != NULL) nghttp2_option_set_max_continuations(option, most);
    }
    """
    int has_reset_limit()
    int has_continuation_limit()
    int has_glitch_limit()
    void raise_continuation_limit(nghttp2_option *option, size_t most)

cdef enum:
    SLOT_BITS = 7
    SLOTS = 128
    # Longer values seldom repeat; what is remembered stays in memory with the connection.
    REMEMBERED = 512
    MOST_NV = 64
    # Payloads from this size on are handed to the transport without a copy.
    UNCOPIED = 4096
    SCRATCH = 65536
    # What fits into one DATA frame need not take turns.
    ONE_FRAME = 16384
    UNLIMITED = 0x7FFFFFFF
    # Closed streams whose late frames can still be told apart; nghttp2 keeps as many as may be open.
    REMEMBERED_STREAMS = 128

cdef Py_ssize_t STREAM_HIGH = STREAM_QUEUE
cdef Py_ssize_t STREAM_LOW = STREAM_QUEUE // 2
cdef Py_ssize_t CONNECTION_HIGH = CONNECTION_QUEUE
cdef Py_ssize_t CONNECTION_LOW = CONNECTION_QUEUE // 2
cdef size_t HEAD_BYTES = MOST_HEAD
cdef int CONTINUATIONS = MAX_CONTINUATIONS
cdef int VERDICT_RESET = RESET
cdef int VERDICT_DROP = DROP_CONNECTION
cdef uint32_t NO_ERROR = Reset.NO_ERROR
cdef uint32_t PROTOCOL_ERROR = Reset.PROTOCOL_ERROR
cdef uint32_t INTERNAL_ERROR = Reset.INTERNAL_ERROR
cdef uint32_t CANCEL = Reset.CANCEL
cdef uint32_t STREAM_CLOSED = Reset.STREAM_CLOSED
cdef uint32_t REFUSED_STREAM = Reset.REFUSED_STREAM
cdef uint32_t ENHANCE_YOUR_CALM = Reset.ENHANCE_YOUR_CALM
cdef list STATUSES = [b"%d" % status for status in range(1000)]
cdef list NOTHING = [(b"content-length", b"0")]
cdef list NO_FIELDS = []

# take() is never re-entered, so that one buffer serves all connections of the process.
cdef uint8_t scratch[SCRATCH]
cdef Py_ssize_t scratch_used = 0


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


include "stream.pxi"
include "engine.pxi"
include "callbacks.pxi"
