"""The C library's heap, set to keep what torch frees."""

import ctypes
import sys

# malloc.h's numbers of the two settings, and values: the largest it takes for blocks, and no
# trimming below 2 GiB.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_SETTINGS = {_MMAP_THRESHOLD: 32 * 2**20, _TRIM_THRESHOLD: 2**31 - 1}


def keep_freed_memory() -> bool:
    """Let this process keep freed memory for its next tensors; whether it now does (with glibc
    only).

    Each evaluation of a network asks for the tensors that the one before has freed. By default
    glibc hands blocks of some MiB back to the system, which must give them anew, page by page and
    cleared: a tenth of a small U-Net's time on a processor. The process then holds the most that it
    ever used, until it ends.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and all(
        mallopt(setting, value) == 1 for setting, value in _SETTINGS.items()
    )
