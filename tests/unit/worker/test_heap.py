"""Memory that is freed and asked for again stays with the process."""

from __future__ import annotations

import subprocess
import sys

from appserver.worker.heap import TUNED_BY, retain_freed_memory

# As connections do with what they read: a few large blocks, freed with nothing above them on the heap.
CHURN = """
import resource, sys
from appserver.worker.heap import retain_freed_memory
assert sys.argv[1] == "as it is" or retain_freed_memory({})
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(500):
    blocks = [bytes(100_000) for _ in range(4)]
    del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how: str) -> int:
    done = subprocess.run([sys.executable, "-c", CHURN, how], check=True, capture_output=True, text=True)
    return int(done.stdout)


def test_large_blocks_are_not_mapped_again_and_again() -> None:
    # A round touches a hundred pages: fresh ones each time, or the same.
    assert faults("retained") * 10 < faults("as it is")


def test_an_operator_who_tunes_malloc_has_the_last_word() -> None:
    for name in TUNED_BY:
        assert not retain_freed_memory({name: "1"})
