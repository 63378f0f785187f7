"""What a scenario is: a world, a sequential setup, and the actors that then run at once."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any

from sim.core.profile import Geometry, Profile, World

if TYPE_CHECKING:
    from sim.kernel import Kernel
    from sim.task import Task

Body = Callable[[], Coroutine[Any, Any, None]]


class Scenario:
    """Subclass this, once per file under scenarios/; the module's docstring describes it.

    An object is made per composed kernel and parameter set. It holds no state of the execution: all
    of that is in the arena, and the setup runs once, its end being restored for every execution.
    """

    def __init__(self, profile: Profile, geometry: str, params: dict[str, int]) -> None:
        self.profile, self.geometry, self.params = profile, geometry, params
        self.g: Geometry = profile.geometry(geometry)
        self.kernel: Kernel

    @classmethod
    def parameters(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        """Return the parameter sets that executions rotate through; one empty set unless
        overridden.
        """
        return [{}]

    @classmethod
    def smallest(cls, profile: Profile, geometry: str) -> list[dict[str, int]]:
        """Return parameter sets in which failures of any scenario are looked for when they are
        shrunk, the smallest programs first; none unless overridden.
        """
        return []

    def world(self) -> World:
        """Return the size of the world."""
        return World()

    def setup(self) -> Iterable[tuple[int, Body]]:
        """Yield phases (cpu, body), run one after another before the executions, with all chance
        plain.
        """
        return ()

    def actors(self) -> list[tuple[str, int, Body]]:
        """Return the threads that run at once: (name, cpu, body)."""
        raise NotImplementedError

    def task(self, cpu: int) -> Task:
        """Return the thread on ``cpu``."""
        return self.kernel.task(cpu)
