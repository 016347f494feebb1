cimport cython

from appserver.http.field cimport Field, judge
from appserver.http.message cimport Head

cdef int CR, LF, COLON, SPACE, TAB, DEL
cdef bytes LOWER, STOP, VARIES
cdef Py_ssize_t LINE_SLACK, MAX_KEPT, MAX_KEPT_VALUE, KEPT_SIZE, RELEARN_HEADS, BUCKETS, PROBES, BLOCK
cdef frozenset SECRETS
cdef list NAMES

@cython.final
cdef class FieldReader:
    cdef readonly Py_ssize_t at
    cdef readonly bint refused
    cdef readonly str reason
    cdef Py_ssize_t _place, _heads, _mark, _value, _scanned
    cdef list _kept

    @cython.locals(kept=list, place=Py_ssize_t)
    cdef begin(self)
    @cython.locals(
        text="const unsigned char*", lower="const unsigned char*", size=Py_ssize_t, stop=Py_ssize_t, mark=Py_ssize_t,
        value=Py_ssize_t, after=Py_ssize_t, max_line=Py_ssize_t,
    )
    cdef bint read(self, bytes data, Py_ssize_t at, Head head, Py_ssize_t max_field) except -1
    cdef bint _end(self, bytes data, Py_ssize_t at) except -1
    cdef _refuse(self, str reason)
    @cython.locals(
        kept=list, place=Py_ssize_t, is_kept=bint, last=bytes, name=bytes, before=bytes, field=Field, content=bytes,
        text="const unsigned char*", bad="const unsigned char*", end=Py_ssize_t, after=Py_ssize_t,
    )
    cdef Py_ssize_t _take(
        self, bytes data, Py_ssize_t at, Py_ssize_t mark, Py_ssize_t value, Py_ssize_t stop, Head head
    ) except -1
    @cython.locals(kept=list, varies=bint)
    cdef _keep(self, Py_ssize_t place, bytes name, bytes value)

@cython.locals(size=Py_ssize_t, first="unsigned int", middle="unsigned int", last="unsigned int")
cdef Py_ssize_t _hash(const unsigned char* name, Py_ssize_t at, Py_ssize_t mark)
@cython.locals(names=list, bucket=Py_ssize_t, name=bytes, text="const unsigned char*")
cdef bytes _find_name(bytes data, Py_ssize_t at, Py_ssize_t mark, bytes last)
@cython.locals(
    text="const unsigned char*", known="const unsigned char*", size=Py_ssize_t, index=Py_ssize_t, differs=cython.uchar,
)
cdef bint _is_known(bytes data, Py_ssize_t at, Py_ssize_t mark, bytes name) except -1
@cython.locals(
    text="const unsigned char*", last="const unsigned char*", size=Py_ssize_t, end=Py_ssize_t, index=Py_ssize_t,
    differs=cython.uchar,
)
cdef Py_ssize_t _end_if_same(bytes data, Py_ssize_t at, Py_ssize_t stop, bytes value) except -1
@cython.locals(text="const unsigned char*", index=Py_ssize_t, special=cython.uchar, byte=cython.uchar)
cdef Py_ssize_t _skip_text(bytes data, Py_ssize_t at, Py_ssize_t stop) except -1
@cython.locals(text="const unsigned char*", lower="const unsigned char*", byte=cython.uchar)
cdef bint _is_name(bytes data, Py_ssize_t at, Py_ssize_t mark, bytes name) except -1
