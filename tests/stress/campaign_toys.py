"""Toy scenarios that misbehave as processes do, and a program that runs a campaign over toys, for
tests to kill.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from stress.case import Case
from stress.workers.messages import LeaseOrder
from stress.workers.settings import Settings
from tests.toy import ADD, SCENARIOS, ToyCatalogue, ToyScenario

SPEC = "tests.stress.campaign_toys:TOYS"


class Hashed(ToyScenario):
    """Adds a number that depends on Python's hash seed."""

    async def thread(self, cpu: int) -> None:
        await self.kernel.m.add(ADD, self.kernel.counter, 1, hash("a word") & 0xFFFF)


class Deadly(ToyScenario):
    """Kills its process when it draws three times other than plain."""

    async def thread(self, cpu: int) -> None:
        if all(self.kernel.m.draw("kill", 2) for _ in range(3)):
            os.kill(os.getpid(), signal.SIGKILL)
        await self.count(cpu)


class Hanging(ToyScenario):
    """Makes no step for a minute."""

    async def thread(self, cpu: int) -> None:
        time.sleep(60)


class Mistaken(ToyScenario):
    """Raises what is no violation."""

    async def thread(self, cpu: int) -> None:
        await self.count(cpu)
        raise LookupError("a mistake in a scenario")


TOYS = ToyCatalogue(extra={"hashed": Hashed, "deadly": Deadly, "hanging": Hanging, "mistaken": Mistaken})
TOYS.spec = SPEC  # type: ignore[attr-defined]


CASE = Case("counters", (("rounds", 2),), "toy")

LEASE = LeaseOrder(
    native=False,
    lease=1,
    number=2,
    case=CASE,
    strategy="pct",
    options={"depth": 3},
    machine="lockstep",
    processes=0,
    first=(1 << 63) - 5,
    count=4,
    slice_s=0.5,
    left_s=60.0,
    twin_every=64,
    stop_on_first=False,
    afresh=False,
)
"""An order as a supervisor gives it."""


def settings(*scenarios: str, **more: Any) -> Settings:
    """Return the settings of a campaign over toys."""
    return Settings(seed=5, scenarios=scenarios or tuple(SCENARIOS), profiles=("toy",), **more)


if __name__ == "__main__":
    from stress.campaign.progress import show
    from stress.campaign.supervisor import run_campaign
    from stress.workers.settings import Budget

    found = run_campaign(
        Path(sys.argv[1]), settings("counters", "mailbox"), Budget(duration_s=float(sys.argv[2]), workers=2), SPEC, show
    )
    print(json.dumps(found))
    sys.exit(found["exit_status"])
