"""What the machine has: its cores; and memory, which its C library is told to keep.

glibc returns every large array to the kernel when it is freed, and gets the next one, page by page, with a fault for
each 4 KB. Arrays here live for milliseconds and come again in the same sizes, so it pays to keep them. Only the
commands call `keep_memory`: a library must not change its host's allocator.
"""

import os
import sys

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_ constants of glibc's malloc.h
_LARGEST = 32 << 20  # bytes; the largest that glibc allows before 2.35
_KEPT = 1 << 30  # bytes; a step of training frees and takes some hundred million


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keep_memory() -> None:
    """Keep freed memory in this process; does nothing where the C library is not glibc."""
    if sys.platform != "linux":
        return
    import ctypes

    try:
        mallopt = ctypes.CDLL(None).mallopt
        ctypes.CDLL(None).gnu_get_libc_version  # noqa: B018 -- musl has a mallopt of no effect and no such function
    except (OSError, AttributeError):
        return
    mallopt(_MMAP_THRESHOLD, _LARGEST)
    mallopt(_TRIM_THRESHOLD, _KEPT)
