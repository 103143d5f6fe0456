"""Freed memory is kept: what a process of its own holds after it has freed everything."""

import os
import platform
import subprocess
import sys

import pytest

# As a network's activations: 40 tensors of 2 MiB, then all freed, three times over. What is still
# held then, in MiB.
HELD = """
import resource, sys, torch
from scoregeo._utils.heap import keep_freed_memory
kept = sys.argv[1] == "keep" and keep_freed_memory()
held = lambda: int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2 ** 20
torch.ones(2 ** 19)
before = held()
for _ in range(3):
    [torch.ones(2 ** 19) for _ in range(40)]
print(int(kept), held() - before)
"""


def held(how: str) -> tuple[bool, float]:
    # glibc's first thresholds, fixed: those it learns would let what lies above a freed block
    # decide.
    fixed = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
    command = [sys.executable, "-c", HELD, how]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env={**os.environ, **fixed}
    )
    kept, count = done.stdout.split()
    return kept == "1", float(count)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are glibc's")
def test_what_is_freed_stays_with_the_process() -> None:
    (_, left), (kept, after) = held("leave"), held("keep")
    assert kept
    assert left < 40 < 70 < after  # 80 MiB were in use at once; torch's own first use takes some 10
