"""Records traces of the real kernel and replays strictly what other Pythons have recorded: ``python
-m tests.stress.trace.replay_others FOLDER``.

Traces of another tree than this one are left alone: a model that has changed owes them nothing.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import trio

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData
from stress.sources import sources_hash
from stress.trace.file import load, save
from stress.trace.record import capture
from stress.trace.replay import Mode, compare, replay

CASES = (("munmap_vs_writeback", ("C02",)), ("fork_vs_dontneed", ()), ("mixed_orders", ()))
STRATEGY = "pct"
SEED = 8


async def record(folder: Path, profile: str) -> None:
    """Write a trace of each case under this Python."""
    for scenario, faults in CASES:
        params = CATALOGUE.scenario_class(scenario).parameters(CATALOGUE.profile(profile), "small")[0]
        case = Case(scenario, tuple(sorted(params.items())), profile, faults=faults)
        async with open_runner(case) as runner:
            outcome = await runner.execute(CATALOGUE.strategy(STRATEGY), SEED, RandomData(SEED))
            save(capture(outcome, STRATEGY), folder / f"{scenario}-{profile}-{platform.python_version()}")


async def main(folder: Path) -> None:
    """Record, replay every trace of this tree under both drivers, and print which Pythons had
    recorded them. A divergence is raised.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for profile in CATALOGUE.profiles():
        await record(folder, profile)
    replayed: dict[str, int] = {}
    for file in sorted(folder.iterdir()):
        trace = load(file)
        if trace.sources != sources_hash():
            continue
        for driver in ("fast", "reference"):
            async with replay(trace, Mode(driver)) as again:
                compare(trace, again.outcome)
        replayed[trace.python] = replayed.get(trace.python, 0) + 1
    print(
        f"{platform.python_version()} replays "
        + ", ".join(f"{number} traces of {python}" for python, number in sorted(replayed.items()))
    )


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]))
