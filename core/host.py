"""What this host, or container, has."""

import os
from contextlib import suppress
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def processors() -> int:
    """The number of processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_bytes() -> int:
    """The bytes of memory, or the limit of this process's control group on Linux."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":  # version 2
                limits += read_limit(CGROUPS, path, "memory.max")
            elif controllers == "memory":
                limits += read_limit(CGROUPS / "memory", path, "memory.limit_in_bytes")
    return min(limits)


def read_limit(root: Path, path: str, name: str) -> list[int]:
    """The limit of the group at `path`, or of the root, which is what a container sees."""
    for folder in (root / path.lstrip("/"), root):
        with suppress(OSError, ValueError):  # `max` is no limit
            return [int((folder / name).read_text())]
    return []
