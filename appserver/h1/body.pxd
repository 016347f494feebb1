cimport cython

from appserver.h1.chunks cimport ChunkReader

@cython.final
cdef class BodyReader:
    cdef readonly long long left
    cdef readonly bint is_done
    cdef readonly bytes taken
    cdef ChunkReader _chunks
    cdef bint _is_chunked

    cpdef begin(self, bint is_chunked, long long length)
    @cython.locals(chunks=ChunkReader, size=cython.longlong)
    cpdef Py_ssize_t read(self, bytes data, Py_ssize_t at, bint is_wanted) except -1
