"""Drives a composed kernel, or single components of it, through a lockstep machine: one body at a
time, or a few that race.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from sim.compose import compose
from sim.core.arena import Arena
from sim.core.machine import Actor, Body
from sim.core.profile import World
from sim.kernel import Kernel
from stress.catalogue import CATALOGUE
from stress.machine.chance import PLAIN
from stress.machine.driver import Driver
from stress.machine.lockstep import Lockstep
from stress.machine.trio_drivers import session
from stress.strategies import Strategy
from stress.strategies.sequential import Sequential

STEPS_MAX = 1_000_000


class Driven:
    """A kernel that runs what it is told, with all chance plain."""

    def __init__(self, kernel: Kernel, machine: Lockstep, driver: Driver) -> None:
        self.kernel, self.machine, self.driver = kernel, machine, driver

    async def run(self, cpu: int, body: Body) -> None:
        """Run ``body`` on ``cpu`` to its end, which must be clean."""
        await self.race({cpu: body}, Sequential(), 0)

    async def race(self, bodies: dict[int, Body], strategy: Strategy, seed: int) -> None:
        """Run a body on each CPU, interleaved by ``strategy``, to an end that must be clean."""
        actors = [Actor(cpu, f"test{cpu}", body) for cpu, body in bodies.items()]
        self.machine.begin([*actors, *self.kernel.services()], strategy, PLAIN, seed)
        await self.driver.execute()
        assert self.machine.verdict.kind == "clean", (self.machine.verdict.reason, self.machine.verdict.error)
        self.kernel.settle()


@asynccontextmanager
async def driven(
    profile: str, geometry: str, version: str, world: World, patches: Sequence[type] = ()
) -> AsyncIterator[Driven]:
    """Compose a kernel and yield it, booted; ``patches`` wrap components as faults do."""
    kernel = compose(CATALOGUE.profile(profile), geometry, version, world, patches)
    arena = Arena.create(kernel.layout)
    try:
        machine = Lockstep(arena, kernel.slots, STEPS_MAX)
        kernel.bind(arena, machine)
        kernel.boot()
        async with session(machine) as driver:
            yield Driven(kernel, machine, driver)
    finally:
        arena.close()
