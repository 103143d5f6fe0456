"""Freed memory is kept: what the system is asked for anew, counted in a process of its own."""

import platform
import subprocess
import sys

import pytest

# As a network's activations: 40 tensors of 2 MiB, 512 pages each, then all freed, ten times over.
FAULTS = """
import resource, sys, torch
from scoregeo.core.heap import keep_freed_memory
kept = sys.argv[1] == "keep" and keep_freed_memory()
faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
[torch.ones(2 ** 19) for _ in range(40)]
before = faults()
for _ in range(10):
    [torch.ones(2 ** 19) for _ in range(40)]
print(int(kept), faults() - before)
"""


def faults(how: str) -> tuple[bool, int]:
    done = subprocess.run([sys.executable, "-c", FAULTS, how], capture_output=True, text=True, check=True)
    kept, count = done.stdout.split()
    return kept == "1", int(count)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are glibc's")
def test_pages_of_freed_tensors_are_not_asked_for_again() -> None:
    (_, before), (kept, after) = faults("leave"), faults("keep")
    assert kept
    assert before > 10 * 40 * 512 / 2 and after < before / 10
