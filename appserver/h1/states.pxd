cdef bytes FLAT
cdef int EVENTS, NO_MOVE

cpdef int move(int state, int event) except -1
