"""What this machine, or the container that it is, bears."""

import os
from contextlib import suppress
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory() -> int:
    """How many bytes of memory there are, or fewer where a control group of Linux sets a limit."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":  # version 2
                limits += found(GROUPS, path, "memory.max")
            elif controllers == "memory":
                limits += found(GROUPS / "memory", path, "memory.limit_in_bytes")
    return min(limits)


def found(root: Path, path: str, name: str) -> list[int]:
    """The limit of the group at `path`, or of the root as a container sees it."""
    for folder in (root / path.lstrip("/"), root):
        with suppress(OSError, ValueError):  # `max` is no limit
            return [int((folder / name).read_text())]
    return []
