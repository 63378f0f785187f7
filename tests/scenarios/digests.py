"""Digests of executions, written down: every scenario on every profile, under every version.

``digests.txt`` beside this file holds one line per cell. A change that moves code about must leave
it as it is. A change of the model changes it on purpose: ``python -m tests.scenarios.digests``
writes it anew.
"""

from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

import trio

from stress.case import Case
from stress.catalogue import CATALOGUE
from stress.execution.runner import open_runner
from stress.machine.chance import RandomData

FILE = Path(__file__).with_name("digests.txt")
STRATEGIES = ("random", "pct", "round-robin", "random")
"""One seed each: 4 seeds in each of some 550 cells."""


async def digest(scenario: str, profile: str, kernel: str) -> str:
    """Return the digest over the executions of one cell: steps, verdict and digest of each.

    Seeds and parameters follow from the cell's name, so that a new cell changes no other.
    """
    number = zlib.crc32(f"{scenario} {profile} {kernel}".encode()) % 1000
    known = CATALOGUE.scenario_class(scenario).parameters(CATALOGUE.profile(profile).at(kernel), "small")
    total = hashlib.blake2b(digest_size=8)
    case = Case(scenario, tuple(sorted(known[number % len(known)].items())), profile, kernel=kernel)
    async with open_runner(case) as runner:
        for seed, strategy in enumerate(STRATEGIES, number):
            outcome = await runner.execute(CATALOGUE.strategy(strategy), seed, RandomData(seed))
            total.update(f"{outcome.verdict.kind} {outcome.steps} {outcome.digest()}\n".encode())
    return total.hexdigest()


async def lines(profile: str) -> list[str]:
    """Return the lines of one profile."""
    return [
        f"{profile} {kernel} {scenario} {await digest(scenario, profile, kernel)}"
        for scenario in CATALOGUE.scenarios()
        for kernel in CATALOGUE.kernels()
    ]


async def main() -> None:
    """Write the file."""
    found = [line for profile in CATALOGUE.profiles() for line in await lines(profile)]
    FILE.write_text("\n".join(found) + "\n")
    print(f"{len(found)} cells, {len(found) * len(STRATEGIES)} executions: {FILE.name}")


if __name__ == "__main__":
    trio.run(main)
