"""Replays every second trace of a folder strictly, in a process of its own: ``python -m
tests.stress.trace.replay_many DRIVER 0|1 FOLDER``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import trio

from stress.trace.file import load
from stress.trace.replay import Mode, compare, replay


async def main(driver: str, rest: int, folder: Path) -> None:
    """Print how many were equal, the final state included. A divergence is raised."""
    equal = 0
    for file in sorted(folder.iterdir())[rest::2]:
        trace = load(file)
        async with replay(trace, Mode(driver)) as replayed:
            compare(trace, replayed.outcome)
        equal += 1
    print(f"{equal} equal")


if __name__ == "__main__":
    trio.run(main, sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))
