"""A toy kernel for the tests of the tester: two counters, two locks, an rwsem, and a hardware actor
with a mailbox.

It has the interface of the real kernel (layout, slots, bind, boot, services, task, audit), a
component to be overridden, and scenarios that end in every way in which an execution can end.
:data:`TOYS` is the catalogue to be handed to the tester.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

from sim.core.arena import MACHINE, PRIVATE, Arena, Field, Layout
from sim.core.machine import Actor, Machine, Violation, site
from sim.core.profile import Profile, World, kernel_geometry, small_geometry
from stress.catalogue import Catalogue, choose
from stress.patch.load import Patch
from stress.patch.model import Model
from stress.scenario import Scenario

READ, WRITE_BACK, ADD = (
    site("toy_increment", "read counter"),
    site("toy_increment", "write counter"),
    site("toy_add", "add"),
)
LOCK, UNLOCK, SPIN = site("toy_lock", "lock"), site("toy_unlock", "unlock"), site("toy_spin", "look at flag")
POST, ACK, SERVE, DONE = (
    site("toy_post", "post"),
    site("toy_post", "wait for ack"),
    site("toy_serve", "take post"),
    site("toy_serve", "ack"),
)
DOWN, UP, NOTE = site("toy_down", "down"), site("toy_up", "up"), site("toy_note", "note")

_REAL = kernel_geometry(4096, 512, 33)
PROFILE = Profile("toy", _REAL, small_geometry(_REAL), hardware_young=True, hardware_dirty=True, merge_vmas=True)


class Counter:
    """The component: how a counter is incremented."""

    def __init__(self, kernel: ToyKernel) -> None:
        self.k = kernel

    async def increment(self, i: int) -> None:
        """Increment counter ``i`` under its lock."""
        m, k = self.k.m, self.k
        await m.lock(LOCK, k.lock, i)
        value = await m.load(READ, k.counter, i)
        await m.store(WRITE_BACK, k.counter, i, value + 1)
        await m.unlock(UNLOCK, k.lock, i)


class NoLock:
    """T01: the increment does not take the lock."""

    id = "T01"
    component = "counter"
    title = "increment without the lock"
    silent: dict[str, str] = {}

    k: ToyKernel

    async def increment(self, i: int) -> None:
        value = await self.k.m.load(READ, self.k.counter, i)
        await self.k.m.store(WRITE_BACK, self.k.counter, i, value + 1)


class ToyKernel:
    """The kernel: its component, and columns as attributes once bound."""

    slots = 5

    def __init__(self, faults: tuple[type, ...] = ()) -> None:
        provider: type = Counter
        for fault in faults:
            provider = type(fault.__name__, (fault, provider), {})
        self.part: Counter = provider(self)
        self.components = {"counter": self.part}
        self.layout = Layout(
            [
                Field("counter", 2),
                Field("lock", 2),
                Field("sem", 1),
                Field("flag", 1),
                Field("post", 1),
                Field("done", 3, PRIVATE),
                Field("stamp", 1, MACHINE),
            ]
        )

    def bind(self, arena: Arena, machine: Machine) -> None:
        """Take the columns."""
        self.arena, self.m = arena, machine
        self.counter, self.lock, self.sem, self.flag, self.post, self.done = (
            arena[n] for n in ("counter", "lock", "sem", "flag", "post", "done")
        )
        machine.waitable(self.post)
        machine.waitable(self.flag)

    def boot(self) -> None:
        """Make the first state."""
        self.counter[0] = 0

    def settle(self) -> None:
        """Nothing here remembers when things happened."""

    def services(self) -> list[Actor]:
        """Return the hardware actor, which serves the mailbox."""
        return [Actor(3, "hw0", self._serve, daemon=True, gate=((self.post, 0),), ready=lambda: self.post.view[0] == 1)]

    async def _serve(self) -> None:
        await self.m.load(SERVE, self.post, 0)
        await self.m.add(ADD, self.counter, 1, 1)
        await self.m.store(DONE, self.post, 0, 2)

    async def call(self) -> None:
        """Post to the hardware actor and wait for its acknowledgement."""
        await self.m.store(POST, self.post, 0, 1)
        await self.m.wait(ACK, self.post, 0, lambda: self.post.view[0] == 2)

    def task(self, cpu: int) -> int:
        """Return the thread on ``cpu``: in the toy, its number."""
        return cpu

    def audit(self, drained: bool) -> None:
        """Raise a Violation if an increment was lost."""
        made = sum(self.done.view)
        if self.counter[0] != made:
            raise Violation(
                "T1", "lost-update", f"counter 0 is {self.counter[0]} after {made} increments", WRITE_BACK, READ,
                [("counter", 0, self.counter[0])], "a counter counts (tests/toy.py)",
            )  # fmt: skip


class ToyScenario(Scenario):
    """What the toy scenarios share."""

    kernel: Any
    threads = 2

    def world(self) -> World:
        return World(cpus=3)

    def setup(self) -> list[tuple[int, Callable[[], Coroutine[Any, Any, None]]]]:
        return [(0, self.once)]

    async def once(self) -> None:
        """Increment once before the executions begin."""
        await self.count(0)

    async def count(self, cpu: int) -> None:
        """Increment counter 0, and note that it was done."""
        await self.kernel.part.increment(0)
        self.kernel.done[cpu] += 1

    def actors(self) -> list[tuple[str, int, Callable[[], Coroutine[Any, Any, None]]]]:
        return [(f"t{cpu}", cpu, partial(self.thread, cpu)) for cpu in range(self.threads)]

    async def thread(self, cpu: int) -> None:
        """Be the thread on ``cpu``."""
        raise NotImplementedError


class Counters(ToyScenario):
    """Threads increment a counter."""

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        return [{"rounds": 1}, {"rounds": 3}]

    async def thread(self, cpu: int) -> None:
        for _ in range(1 + self.params.get("rounds", 1)):
            if self.kernel.m.draw("what", 3) == 2:
                await self.kernel.m.add(ADD, self.kernel.counter, 1, 1)
            await self.count(cpu)


class Mailbox(ToyScenario):
    """A thread calls the hardware while another holds and drops an rwsem."""

    async def thread(self, cpu: int) -> None:
        k = self.kernel
        if cpu == 0:
            await k.m.down_read(DOWN, k.sem, 0)
            await k.call()
            await k.m.up_read(UP, k.sem, 0)
        else:
            await k.m.down_write(DOWN, k.sem, 0)
            await k.m.downgrade_write(UP, k.sem, 0)
            await k.m.xchg(NOTE, k.counter, 1, 7)
            await k.m.rmw(NOTE, k.counter, 1, lambda v: v + 1)
            await k.m.up_read(UP, k.sem, 0)
        await self.count(cpu)


class Abba(ToyScenario):
    """Two threads take two locks in opposite orders."""

    async def thread(self, cpu: int) -> None:
        k = self.kernel
        for i in (cpu, 1 - cpu):
            await k.m.lock(LOCK, k.lock, i)
        for i in (cpu, 1 - cpu):
            await k.m.unlock(UNLOCK, k.lock, i)


class Forgotten(ToyScenario):
    """A thread waits for what nobody does."""

    async def thread(self, cpu: int) -> None:
        if cpu == 0:
            await self.kernel.m.wait(ACK, self.kernel.flag, 0, lambda: self.kernel.flag.view[0] == 1)


class Spin(ToyScenario):
    """Two threads each wait, spinning, for the other."""

    async def thread(self, cpu: int) -> None:
        while not await self.kernel.m.load(SPIN, self.kernel.flag, 0):
            pass


class Endless(ToyScenario):
    """A thread counts for ever: no state comes again."""

    async def thread(self, cpu: int) -> None:
        while True:
            await self.kernel.m.add(ADD, self.kernel.counter, 1, 1)


class BrokenSetup(ToyScenario):
    """The setup itself violates."""

    async def once(self) -> None:
        k = self.kernel
        await k.m.lock(LOCK, k.lock, 0)
        await k.m.unlock(UNLOCK, k.lock, 1)

    async def thread(self, cpu: int) -> None:
        await self.count(cpu)


SCENARIOS: dict[str, type[ToyScenario]] = {
    "counters": Counters,
    "mailbox": Mailbox,
    "abba": Abba,
    "forgotten": Forgotten,
    "spin": Spin,
    "endless": Endless,
    "broken_setup": BrokenSetup,
}


@dataclass
class ToyCatalogue(Catalogue):
    """The toys by name, in place of what the packages hold."""

    extra: dict[str, type[ToyScenario]] | None = None

    def scenarios(self) -> dict[str, str]:
        return {name: cls.__doc__ or "" for name, cls in self._all().items()}

    def _all(self) -> dict[str, type[ToyScenario]]:
        return SCENARIOS | (self.extra or {})

    def faults(self) -> dict[str, str]:
        return {"T01": NoLock.__doc__ or ""}

    def kernels(self) -> dict[str, str]:
        return {"6.9": "the toy"}

    def profiles(self) -> dict[str, str]:
        return {"toy": "the toy's profile"}

    def profile(self, name: str) -> Profile:
        choose("profile", name, ["toy"])
        return PROFILE

    def scenario_class(self, name: str) -> type[Scenario]:
        return self._all()[choose("scenario", name, self._all())]

    def fault_class(self, name: str) -> type:
        choose("fault", name, ["T01"])
        return NoLock

    def compose(
        self,
        *,
        profile: Profile,
        geometry: str,
        kernel: str,
        world: Any,
        faults: tuple[str, ...],
        patch: Patch | None = None,
    ) -> ToyKernel:
        return ToyKernel((*self.parts(patch, profile, kernel), *map(self.fault_class, faults)))

    def model(self) -> Model:
        return Model({"counter": {("toy", "6.9"): Counter}})


TOYS = ToyCatalogue()
