cdef bytes FLAT
cdef int COLUMNS, NO_MOVE

cpdef int move(int state, int event) except -1
