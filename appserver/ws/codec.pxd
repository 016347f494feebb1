cimport cython

from appserver.ws.masking cimport unmask

cdef int _CONTINUATION, _TEXT, _BINARY, _CLOSE, _PONG
cdef int NO_STATUS, INVALID_PAYLOAD, MESSAGE_TOO_BIG, POLICY_VIOLATION, PROTOCOL_ERROR
cdef Py_ssize_t LARGEST_HEADER, SMALL
cdef long long MAX_EMPTY_FRAGMENTS
cdef dict HEADS

@cython.final
cdef class FrameReader:
    cdef readonly int kind, code, close_code
    cdef readonly object payload
    cdef readonly str reason, close_reason
    cdef long long _max_message, _left, _size, _wire_size, _empty
    cdef object _inflater, _decoder
    cdef bytes _head, _key, _control
    cdef bint _in_payload, _final, _compressed
    cdef int _opcode, _message
    cdef Py_ssize_t _offset
    cdef bytearray _buffer

    @cython.locals(size=Py_ssize_t, stop=Py_ssize_t)
    cpdef Py_ssize_t read(self, bytes data, Py_ssize_t at) except -1
    cdef _fail(self, int code, str reason)
    @cython.locals(kept=bytes, block=bytes, used=Py_ssize_t)
    cdef Py_ssize_t _read_header(self, bytes data, Py_ssize_t at, Py_ssize_t size) except -1
    @cython.locals(
        text="const unsigned char*", first=int, short=int, lengths=Py_ssize_t, index=Py_ssize_t, length="long long",
    )
    cdef Py_ssize_t _parse_header(self, bytes data, Py_ssize_t at, Py_ssize_t size) except -1
    @cython.locals(opcode=int)
    cdef bint _judge_header(self, int first, bint masked, int short) except -1
    @cython.locals(opcode=int, limit="long long")
    cdef bint _begin_frame(self, int first, long long length) except -1
    @cython.locals(opcode=int)
    cdef _end_frame(self, bytes piece)
    cdef _take_piece(self, bytes piece)
    cdef _gather(self, bytes piece)
    cdef _validate(self, bytes piece, bint final)
    @cython.locals(buffer=bytearray, opcode=int)
    cdef _end_message(self)
    cdef _end_control(self, bytes payload)
    cdef bint _read_close(self, bytes payload) except -1

@cython.locals(first=int, size=Py_ssize_t)
cpdef bytes write_frame(int opcode, bytes payload, bint compressed)
