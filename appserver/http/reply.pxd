cimport cython

from appserver.http.grammar cimport is_field_name, is_field_value, parse_length

cdef int _DATE, _SERVER, _LENGTH, _CONNECTION, _DROPPED, _SECRET, _TRAILER, _PRIORITY
cdef Py_ssize_t MAX_KNOWN_SIZE
cdef dict _SPECIAL
cdef bytes LENGTH_TABLE

cpdef bint has_body(int status, bint head)

@cython.final
cdef class Reply:
    cdef public list fields
    cdef public long long length
    cdef public bint has_date, has_server, has_trailer
    cdef readonly bytes priority
    cdef object _first
    cdef list _known, _known_fields
    cdef long long _known_length
    cdef bytes _known_priority
    cdef bint _known_has_date, _known_has_server, _known_h2, _repeatable
    @cython.locals(judged=list, kind=object, is_sound=bint, name=bytes, value=bytes)
    cpdef judge(self, object fields, bint h2)
    @cython.locals(known=list, at=Py_ssize_t)
    cdef bint _repeats(self, list fields, bint h2) except -1
    cdef _keep(self, list fields, bint h2)
    cpdef judge_trailers(self, object fields)
    @cython.locals(length=cython.longlong)
    cdef bint _special(self, int kind, bytes value, bint h2) except -1

cdef bytes _strip(bytes name, bytes value)
cdef bytes _lower(bytes name)
