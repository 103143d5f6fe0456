"""Freed memory is kept: what a process of its own holds after it has freed everything."""

import os
import platform
import subprocess
import sys

import pytest

# As a network's activations: 40 tensors of 2 MiB, then all freed, three times over. What is still
# held then, in MiB, before and after the process is told to keep it.
HELD = """
import resource, torch
from scoregeo._utils.heap import keep_freed_memory
held = lambda: int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize() / 2 ** 20
torch.ones(2 ** 19)
def grown():
    before = held()
    for _ in range(3):
        [torch.ones(2 ** 19) for _ in range(40)]
    return held() - before
print(grown(), int(keep_freed_memory()), grown())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are glibc's")
def test_what_is_freed_stays_with_the_process() -> None:
    # glibc's first thresholds, fixed: those it learns would let what lies above a freed block
    # decide.
    fixed = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "131072"}
    done = subprocess.run(
        [sys.executable, "-c", HELD],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **fixed},
    )
    left, kept, after = done.stdout.split()
    assert kept == "1"
    # 80 MiB were in use at once; torch's own first use takes some 10.
    assert float(left) < 40 < 70 < float(after)
