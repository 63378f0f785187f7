"""The order of steps of a few system calls, each made by one thread while no other runs: a litmus
table to be read by eye beside mm/*.c.

The world is the smallest that shows everything. CPU 0 makes the call. CPU 1 runs another thread of
the same mm, which has touched every page before and makes no step now; its hardware answers what a
flush asks of it. (At exit CPU 0 is alone, for the mm dies with its last user.) There is one
anonymous folio of four pages, all written to, and one file folio of four pages, mapped shared, all
read and one written to. Chance is plain: no need_resched, no failed allocation.

A line is an actor, a step's site, and the column that the step is on. ``4x`` says that the line is
there four times in a row; the lines below it that begin with ``|`` belong to the same repetition.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sim.core.profile import World
from sim.setup import add_file_folio, start
from stress.case import Case
from stress.catalogue import CATALOGUE, Catalogue
from stress.execution.runner import open_runner
from stress.execution.steps import steps
from stress.machine.chance import PLAIN
from stress.scenario import Body, Scenario

FOLDER = Path(__file__).parent

ORDER, NR, SPAN = 2, 4, 8
"""Order and pages of each folio; pages from one mapping to the other: each has a table of its own.
"""

ANON, FILE = 0, SPAN

HEAD = "The order of steps on {}. See orders.py; `python -m tests.sim.golden` writes this file anew."

CALLS = ("munmap file", "munmap anon", "dontneed file", "dontneed anon", "fork", "exit")

PERIOD_MAX = 16
"""Lines of the longest group whose repetition is folded."""


class Calls(Scenario):
    """``call``: number of the call in CALLS."""

    def world(self) -> World:
        return World(cpus=2, mms=2, vpages=2 * SPAN, pages=64, files=1, file_pages=NR)

    @property
    def name(self) -> str:
        """The call."""
        return CALLS[self.params["call"]]

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare
        if self.name != "exit":
            yield 1, self.join

    async def prepare(self) -> None:
        """Map and touch both folios."""
        task = self.task(0)
        await start(task, 0)
        await add_file_folio(task, 0, 0, ORDER)
        await task.mmap(ANON, NR, order=ORDER)
        await task.mmap(FILE, NR, file=0, shared=True)
        for page in range(NR):
            await task.store(ANON + page)
            await task.load(FILE + page)
        await task.store(FILE + 2)

    async def join(self) -> None:
        """The other thread has everything in its TLB."""
        await start(self.task(1), 0)
        for page in range(NR):
            await self.task(1).store(ANON + page)
            await self.task(1).load(FILE + page)
        await self.task(1).store(FILE + 2)

    def actors(self) -> list[tuple[str, int, Body]]:
        return [("thread", 0, self.make)]

    async def make(self) -> None:
        """Make the call."""
        task, (call, _, what) = self.task(0), self.name.partition(" ")
        addr = FILE if what == "file" else ANON
        if call == "munmap":
            await task.munmap(addr, NR)
        elif call == "dontneed":
            await task.dontneed(addr, NR)
        elif call == "fork":
            await task.fork(1)
        else:
            await task.exit()


class Orders(Catalogue):
    """The catalogue whose scenario is Calls."""

    def scenario_class(self, name: str) -> type[Scenario]:
        return Calls


async def order(profile: str, kernel: str, call: str) -> list[str]:
    """Return the steps of ``call``, a line each, repetitions folded."""
    case = Case("calls", (("call", CALLS.index(call)),), profile, kernel=kernel)
    async with open_runner(case, catalogue=Orders()) as runner:
        outcome = runner.run(CATALOGUE.strategy("sequential"), 0, PLAIN)
        assert outcome.verdict.kind == "clean", outcome.verdict.reason
        made = steps(outcome.finished)
        return folded([f"{step.actor.split()[0]:5}{step.site.name:62}{step.column}" for step in made])


def folded(lines: list[str]) -> list[str]:
    """Return ``lines`` with what comes again and again written once."""
    text, at = [], 0
    while at < len(lines):
        period, times = repetition(lines, at)
        marks = [f"{times}x" if times > 1 else ""] + ["|"] * (period - 1)
        text += [f"{mark:>4}  {line}" for mark, line in zip(marks, lines[at : at + period], strict=True)]
        at += period * times
    return text


def repetition(lines: list[str], at: int) -> tuple[int, int]:
    """Return how many lines from ``at`` on form a group, and how often the group comes: of all ways
    to see it the one that covers most, and of these that of the shortest group.
    """
    best = (1, 1)
    for period in range(1, PERIOD_MAX + 1):
        group, times = lines[at : at + period], 1
        while lines[at + times * period : at + (times + 1) * period] == group:
            times += 1
        if times > 1 and period * times > best[0] * best[1]:
            best = (period, times)
    return best


async def sections(profile: str) -> str:
    """Return every call under every version on ``profile``."""
    parts = []
    for call in CALLS:
        seen: dict[tuple[str, ...], str] = {}
        for kernel in CATALOGUE.kernels():
            lines = tuple(await order(profile, kernel, call))
            same = seen.setdefault(lines, kernel)
            body = "\n".join(lines) if same == kernel else f"      as in {same}"
            parts.append(f"== {call}, {kernel}\n{body}\n")
    return "\n".join(parts)


async def texts() -> dict[str, str]:
    """Return the text of each profile's file; of a profile that is like an earlier one, that it is."""
    found: dict[str, str] = {}
    seen: dict[str, str] = {}
    for profile in CATALOGUE.profiles():
        body = await sections(profile)
        same = seen.setdefault(body, profile)
        found[profile] = f"{HEAD.format(profile)}\n\n" + (body if same == profile else f"as on {same}\n")
    return found


def file_of(profile: str) -> Path:
    """Return the file that holds the text of ``profile``."""
    return FOLDER / f"{profile}.txt"
