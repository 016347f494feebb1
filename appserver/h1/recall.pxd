cimport cython

from appserver.http.field cimport Field, judge
from appserver.http.message cimport Head

cdef dict JUDGED
cdef Py_ssize_t JUDGED_FIELDS, JUDGED_SIZE, KEPT_FIELDS

@cython.final
cdef class Recall:
    cdef list _names, _values, _fields
    cdef Py_ssize_t _at, _held
    cdef bint _gap
    cdef readonly bint misread

    cpdef rewind(self)
    cpdef bint hold(self) except -1
    @cython.locals(at=Py_ssize_t)
    cpdef replay(self, Head head)
    @cython.locals(at=Py_ssize_t, known=Field)
    cpdef Field field(self, bytes name, bytes value)
    @cython.locals(lowered=bytes, keep=bint, field=Field)
    cdef Field _find(self, bytes name, bytes value)
    @cython.locals(at=Py_ssize_t)
    cdef _keep(self, bytes name, bytes value, Field field)
