cimport cython

from appserver.http.field cimport Field, judge
from appserver.http.message cimport Head

cdef int CR, LF, COLON, SPACE, TAB
cdef bytes LOWER, STOP
cdef Py_ssize_t LINE_SLACK, SLOTS, PROBES, MAX_KEPT, MAX_KEPT_NAME, MAX_KEPT_VALUE
cdef frozenset SECRETS
cdef dict KNOWN

@cython.final
cdef class Slot:
    cdef bytes name
    cdef bytes value
    cdef Field field
    cdef bint is_secret

@cython.final
cdef class FieldReader:
    cdef readonly Py_ssize_t at
    cdef readonly bint refused
    cdef readonly str reason
    cdef Py_ssize_t _kept
    cdef list _slots

    @cython.locals(
        text="const unsigned char*", lower="const unsigned char*", size=Py_ssize_t, stop=Py_ssize_t, mark=Py_ssize_t,
        key="unsigned int", byte=cython.uchar, value=Py_ssize_t, slot=Slot, after=Py_ssize_t, max_line=Py_ssize_t,
    )
    cdef bint read(self, bytes data, Py_ssize_t at, Head head, Py_ssize_t max_field) except -1
    cdef bint _end(self, bytes data, Py_ssize_t at) except -1
    cdef _refuse(self, str reason)
    @cython.locals(text="const unsigned char*", bad="const unsigned char*", end=Py_ssize_t, after=Py_ssize_t, content=bytes, name=bytes)
    cdef Py_ssize_t _add(
        self, bytes data, Py_ssize_t at, Py_ssize_t mark, Py_ssize_t value, Py_ssize_t stop, Slot slot, Head head
    ) except -1
    @cython.locals(slots=list, place=Py_ssize_t, slot=Slot, text="const unsigned char*")
    cdef Slot _find(self, bytes data, Py_ssize_t at, Py_ssize_t mark, unsigned int key)
    @cython.locals(slot=Slot)
    cdef Slot _keep(self, bytes name, Py_ssize_t place)

@cython.locals(text="const unsigned char*", lower="const unsigned char*", byte=cython.uchar)
cdef bint _is_name(bytes data, Py_ssize_t at, Py_ssize_t mark, bytes name) except -1
@cython.locals(text="const unsigned char*", last=bytes, byte=cython.uchar)
cdef Py_ssize_t _repeats(bytes data, Py_ssize_t at, Py_ssize_t size, Slot slot) except -1
