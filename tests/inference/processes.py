"""Who is alive in a process group, for tests that nothing is left behind."""

import os
import time
from pathlib import Path


def group(leader: int) -> list[str]:
    """Process id and name of everything alive in the leader's group."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getpgid(int(entry.name)) == leader:
                state = (entry / "stat").read_text().rpartition(")")[2].split()[0]
                found += [f"{entry.name} {(entry / 'comm').read_text().strip()}"] if state != "Z" else []
        except OSError:
            continue
    return found


def until_gone(leader: int, seconds: float = 60.0) -> None:
    """Wait until the group is empty; a failed assertion names who is left."""
    deadline = time.monotonic() + seconds
    while left := group(leader):
        assert time.monotonic() < deadline, left
        time.sleep(0.2)
