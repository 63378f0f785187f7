"""Mistakes in a scenario: told with its line, ended with 2, and never a verdict on the kernel."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from sim.core.profile import World
from sim.setup import add_file_folio, start
from sim.task import Task
from stress.catalogue import Catalogue
from stress.cli.main import main
from stress.scenario import Body, Scenario

Do = Callable[[Task], Awaitable[Any]]


class Theirs(Scenario):
    """A scenario of a user's, on the real model: ``before`` in the setup, ``then`` in a thread."""

    before: Do
    then: Do
    cpus: tuple[int, ...] = (0,)
    size: dict[str, int] = {}

    def world(self) -> World:
        sizes = {"vpages": 16, "pages": 32, "vmas": 4, "anon_vmas": 2, "files": 1, "file_pages": 8} | self.size
        return World(cpus=2, **sizes)

    def setup(self) -> Iterable[tuple[int, Body]]:
        yield 0, self.prepare

    async def prepare(self) -> None:
        await start(self.task(0), 0)
        await type(self).before(self.task(0))

    def actors(self) -> list[tuple[str, int, Body]]:
        return [(f"t{number}", cpu, self.run) for number, cpu in enumerate(self.cpus)]

    async def run(self) -> None:
        await type(self).then(self.task(0))


async def nothing(task: Task) -> None:
    """Do nothing."""


async def filled(task: Task) -> None:
    """Map and store to four anonymous pages."""
    await task.mmap(0, 4)
    for addr in range(4):
        await task.store(addr)


async def wrong(task: Task) -> None:
    """Raise."""
    raise KeyError("typo")


async def leave(task: Task) -> None:
    """End the process."""
    raise SystemExit(3)


async def stop(task: Task) -> None:
    """Raise what a coroutine must not."""
    raise StopIteration


async def endless(task: Task) -> None:
    """Load for ever."""
    while True:
        await task.load(1)


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "too few pages": ({"before": filled, "size": {"pages": 3}}, "the world's 3 pages are all in use"),
    "too few VMAs": ({"before": filled, "size": {"vmas": 0}}, "VMAs"),
    "a page beyond the world": ({"then": lambda task: task.store(99)}, "IndexError"),
    "a file that is not there": ({"before": lambda task: add_file_folio(task, 3, 0, 0)}, "of file 3 has no room: the world's 1 files have 8"),
    "an order that there is not": ({"before": lambda task: add_file_folio(task, 0, 0, 7)}, "no folio of a file has order 7"),
    "a folio beyond the file": ({"before": lambda task: add_file_folio(task, 0, 8, 0)}, "at page 8 of file 0 has no room"),
    "a folio that is not aligned": ({"before": lambda task: add_file_folio(task, 0, 2, 2)}, "begins at a multiple of 4, and not at page 2"),
    "a thread without an mm": ({"cpus": (1,), "then": lambda task: task.k.task(1).load(0)}, "CPU 1 runs no mm"),
    "the end of the process": ({"then": leave}, "SystemExit: 3"),
    "an end of iteration": ({"then": stop}, "RuntimeError: coroutine raised StopIteration"),
    "a loop without an end": ({"before": filled, "then": endless}, "thread t0 goes round here for ever"),
    "an exception": ({"then": wrong}, "KeyError: 'typo'"),
    "a CPU that is not there": ({"cpus": (7,)}, "thread t0 on CPU 7, and the world has CPUs 0 to 1"),
    "two threads on a CPU": ({"cpus": (1, 1)}, "threads t0 and t1 both on CPU 1"),
}  # fmt: skip


class Library(Catalogue):
    """The real catalogue, with one scenario of a user's."""

    def __init__(self, scenario: type[Scenario]) -> None:
        self.scenario = scenario

    def scenarios(self) -> dict[str, str]:
        return {"theirs": "a user's"}

    def scenario_class(self, name: str) -> type[Scenario]:
        return self.scenario


@pytest.mark.parametrize("kind", MISTAKES)
def test_a_mistake_in_a_scenario_is_bad_input(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    parts, words = MISTAKES[kind]
    made = {name: staticmethod(part) if callable(part) else part for name, part in parts.items()}
    scenario = type("Mine", (Theirs,), {"before": staticmethod(nothing), "then": staticmethod(nothing), **made})
    assert 2 == main(["run", "theirs", "--profile", "x86-64"], Library(scenario))
    told = capsys.readouterr()
    assert "" == told.out and 1 == told.err.count("\n")
    assert words in told.err
    assert told.err.startswith(f"zapstress: {Path(__file__).name}:") or f"{Path(__file__)}:" in told.err
    assert "a mistake in the scenario" in told.err or "let its body end" in told.err


DECLARED: dict[str, tuple[str, Any, str]] = {
    "no world": ("world", lambda self: None, "world() returns nothing, and should return a World"),
    "a world without CPUs": ("world", lambda self: World(cpus=0), "world() has cpus=0"),
    "a world of half a page": ("world", lambda self: World(pages=0.5), "world() has pages=0.5"),
    "a world without bounds": ("world", lambda self: World(swap_slots=10**9), "needs an arena of 7"),
    "no set of parameters": ("parameters", classmethod(lambda cls, profile, geometry: []), "parameters() returns no element"),
    "words for parameters": ("parameters", classmethod(lambda cls, profile, geometry: [{"a": "b"}]), "has the set {'a': 'b'}"),
    "parameters of nothing": ("parameters", lambda: [{}], "parameters() cannot be called as it should"),
    "a constructor of its own": ("__init__", lambda self: None, "__init__() cannot be called as it should"),
    "no setup": ("setup", lambda self: None, "setup() returns nothing, and should yield phases"),
    "a phase without a CPU": ("setup", lambda self: [self.prepare], "and a phase is (cpu, body)"),
    "a phase that was called": ("setup", lambda self: [(0, self.prepare())], "calls the body of a phase, prepare()"),
    "no threads": ("actors", lambda self: [], "actors() returns no element"),
    "a thread without a name": ("actors", lambda self: [(0, self.run)], "and a thread is (name, cpu, body)"),
    "a CPU in words": ("actors", lambda self: [("t", "0", self.run)], "thread t on CPU '0'"),
    "a thread that was called": ("actors", lambda self: [("t", 0, self.run())], "calls the body of thread t, run()"),
    "a thread that is no coroutine": ("actors", lambda self: [("t", 0, lambda: None)], "that is not async; write 'async def'"),
    "a thread that is a number": ("actors", lambda self: [("t", 0, 3)], "has 3 as the body of thread t"),
    "no threads at all": ("actors", Scenario.actors, "actors() is not there"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DECLARED)
def test_what_a_scenario_declares_is_looked_over(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, method, words = DECLARED[kind]
    scenario = type("Mine", (Theirs,), {"before": staticmethod(nothing), "then": staticmethod(nothing), name: method})
    assert 2 == main(["run", "theirs", "--profile", "x86-64"], Library(scenario))
    told = capsys.readouterr()
    assert "" == told.out and 1 == told.err.count("\n")
    assert words in told.err and f"zapstress: {Path(__file__).name}: Mine.{name}() " in told.err


def test_without_a_mistake_it_is_clean() -> None:
    scenario = type("Mine", (Theirs,), {"before": staticmethod(filled), "then": staticmethod(nothing)})
    assert 0 == main(["run", "theirs", "--profile", "x86-64"], Library(scenario))
