"""The same work in lockstep, one thread and plain choices: what plain mode is compared with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim.core.arena import Arena
from sim.core.machine import Actor, site_info
from sim.core.profile import World
from sim.core.step import column_of, kind_of
from stress.machine.chance import PLAIN
from stress.machine.driver import PlainDriver
from stress.machine.lockstep import Lockstep
from stress.native.plain.kernel import PlainKey, composed, counted_calls
from stress.native.plain.run import KINDS, Done, PlainError
from stress.native.plain.work import Work
from stress.strategies.sequential import Sequential

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

STEPS_MAX = 1 << 20


class LockstepWorld:
    """A world in which the lockstep machine does the work. A context manager."""

    def __init__(self, key: PlainKey, world: World, catalogue: Catalogue) -> None:
        self.kernel = composed(key, world, catalogue, ())
        self.arena = Arena.create(self.kernel.layout)
        self.machine = Lockstep(self.arena, self.kernel.slots, STEPS_MAX)
        self.driver = PlainDriver(self.machine)
        self.kernel.bind(self.arena, self.machine)
        self.work = Work(self.kernel, 0)
        self.calls: dict[str, int] = {}
        self.words: dict[str, int] = {}
        for name, (part, method) in counted_calls(self.kernel).items():
            vars(part)[method] = self._counted(name, getattr(part, method))

    def __enter__(self) -> LockstepWorld:
        return self

    def __exit__(self, *_: object) -> None:
        self.driver.close()
        self.arena.close()

    def _counted(self, name: str, method: Any) -> Any:
        def run(*args: Any, **named: Any) -> Any:
            self.calls[name] = self.calls.get(name, 0) + 1
            self.words[name] = self.words.get(name, 0) + sum(len(arg) for arg in args if isinstance(arg, list))
            return method(*args, **named)

        return run

    def do(self, name: str, *args: int) -> Done:
        """Do a piece of work; return what it counted. Raises PlainError if a checker objects."""
        if name == "boot":
            self.kernel.boot()
            return Done({}, {}, {})
        self.calls.clear()
        self.words.clear()
        self.machine.begin([Actor(0, name, lambda: getattr(self.work, name)(*args))], Sequential(), PLAIN, 0)
        self.driver.execute_now()
        self.machine.versions += self.machine.seq
        if self.machine.verdict.kind != "clean":
            raise PlainError(f"{name}: {self.machine.verdict}")
        return Done(self._steps(), dict(self.calls), dict(self.words))

    def _steps(self) -> dict[tuple[str, str, str], int]:
        columns = list(self.arena.columns)
        found: dict[tuple[str, str, str], int] = {}
        for code in self.machine.log[::2]:
            step = (site_info(code).name, columns[column_of(code)], KINDS[kind_of(code)])
            found[step] = found.get(step, 0) + 1
        return found

    def cells(self, name: str) -> list[int]:
        """Return what a column holds."""
        return self.arena[name].view.tolist()
