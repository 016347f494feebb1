cimport cython

from appserver.http.grammar cimport (
    is_authority,
    is_field_name,
    is_field_value,
    is_token,
    parse_length,
    parse_scheme,
    percent_decode,
)

cdef int AUTHORITY, BAD, CONTENT_LENGTH, DROPPED, HOST, METHOD, PATH, PLAIN, PROTOCOL, SCHEME
cdef int OK, RESET, UNKNOWN, MAX_METHOD_SIZE, _QUERY, _ENCODED, _FRAGMENT, _FORBIDDEN
cdef dict NAMES, METHODS
cdef bytes TARGET_TABLE
cdef tuple NO_PAIR


@cython.final
@cython.freelist(64)
cdef class Field:
    cdef readonly int kind
    cdef readonly tuple pair
    cdef readonly bytes value
    cdef readonly Py_ssize_t size
    cdef readonly int verdict
    cdef readonly str reason
    cdef readonly str text
    cdef readonly bytes raw_path
    cdef readonly bytes query
    cdef readonly long long length
    cdef fail(self, int verdict, str reason)

@cython.locals(kind=int)
cpdef int classify(bytes name) except -2

cpdef Field judge(bytes name, bytes value)
@cython.locals(field=Field)
cpdef Field judge_as(int kind, bytes name, bytes value)

@cython.locals(field=Field)
cdef Field _make(int kind, bytes name, bytes value)
cdef _judge_method(Field field, bytes method)
cdef _judge_scheme(Field field, bytes scheme)
cdef _judge_authority(Field field, bytes authority)
@cython.locals(
    size=Py_ssize_t, text="const unsigned char*", classes="const unsigned char*", at=Py_ssize_t, kind=int,
    query=Py_ssize_t, encoded=bint,
)
cdef _judge_target(Field field, bytes target)
