"""The C allocator's habits on Linux."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h of glibc


def reuse_freed_memory() -> bool:
    """Tell glibc to keep freed memory in the process instead of giving it back and asking again.

    By default every big tensor is mapped and unmapped, and the page faults of that cost more than the arithmetic of a
    PointNet on a CPU. The memory goes back to the system when the process ends. See docs/results.md for the gain.

    Returns:
        Whether the allocator took the settings; False where there is no glibc.
    """
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return False
    gibibyte = 1 << 30
    return bool(
        mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, 2 * gibibyte - 1) and mallopt(_M_TOP_PAD, gibibyte // 4)
    )
