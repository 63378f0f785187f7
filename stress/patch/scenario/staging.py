"""Asks a scenario for what it declares: its world, the phases of its setup, its threads.

What it returns is looked over before anything is made of it. Whatever is wrong is a mistake in the
scenario, told in a line.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from sim.core.profile import Profile, World
from stress.errors import ScenarioError
from stress.patch.scenario.mistakes import files_of, shown, told_of

if TYPE_CHECKING:
    from stress.scenario import Body, Scenario

ARENA_MIB_MAX = 1024
"""How large the arena of a world may be. The largest scenario's has 29 MiB."""


SPECULATION = "speculation"
"""The parameter that has every CPU of a scenario speculate."""

FILLS = 8
"""How often each CPU then may."""


def parameters_of(cls: type[Scenario], profile: Profile, geometry: str) -> list[dict[str, int]]:
    """Return the parameter sets of a scenario on a profile. Raises ScenarioError."""
    with told_of(cls):
        sets = _called(cls, cls.parameters, profile, geometry)
    if not isinstance(sets, list | tuple) or not sets:
        raise _wrong(cls, "parameters", f"returns {_kind(sets)}, and should return a list of one set or more")
    for params in sets:
        if not isinstance(params, dict) or not all(type(value) is int for value in params.values()):
            raise _wrong(cls, "parameters", f"has the set {params!r}, and a set is a dictionary of names to integers")
    return with_speculation(list(sets)) if profile.speculates else list(sets)


def with_speculation(sets: list[dict[str, int]]) -> list[dict[str, int]]:
    """Return the parameter sets, the first of each three once more behind these, with CPUs that
    speculate: at most one in four of the sets that searches rotate through.
    """
    found = []
    for number, params in enumerate(sets, 1):
        found += [params] if number % 3 else [params, {**sets[number - 3], SPECULATION: 1}]
    return found


def speculating_first(sets: Sequence[dict[str, int]]) -> list[dict[str, int]]:
    """Return parameter sets with the first that speculates in front, if there is one."""
    return sorted(sets, key=lambda params: params is not next((one for one in sets if one.get(SPECULATION)), None))


def staged(cls: type[Scenario], profile: Profile, geometry: str, params: dict[str, int]) -> tuple[Scenario, World]:
    """Return a scenario and its world. Raises ScenarioError."""
    with told_of(cls):
        scenario = _called(cls, cls, profile, geometry, params)
        world = scenario.world()
    if params.get(SPECULATION) and isinstance(world, World):
        world = replace(world, speculation=FILLS)
    if not isinstance(world, World):
        raise _wrong(cls, "world", f"returns {_kind(world)}, and should return a World")
    for field in fields(world):
        size, least = getattr(world, field.name), 1 if field.name in ("cpus", "mms", "vpages", "pages") else 0
        if type(size) is not int or size < least:
            raise _wrong(cls, "world", f"has {field.name}={size!r}, which should be an integer from {least} on")
    return scenario, world


def vet_arena(scenario: Scenario, size: int) -> None:
    """Raise ScenarioError for an arena of ``size`` bytes that is larger than any may be."""
    if size > ARENA_MIB_MAX << 20:
        words = f"needs an arena of {size >> 20} MiB, and may have one of {ARENA_MIB_MAX} MiB; make it smaller"
        raise _wrong(type(scenario), "world", words)


def phases_of(scenario: Scenario) -> Iterator[tuple[int, Body]]:
    """Yield the phases of a scenario's setup, one by one as it yields them. Raises ScenarioError."""
    phases = scenario.setup()
    if not hasattr(phases, "__iter__"):
        raise _wrong(type(scenario), "setup", f"returns {_kind(phases)}, and should yield phases (cpu, body)")
    for phase in phases:
        if not isinstance(phase, tuple) or len(phase) != 2:
            raise _wrong(type(scenario), "setup", f"has the phase {phase!r}, and a phase is (cpu, body)")
        cpu, body = phase
        _vet_actor(scenario, "setup", "a phase", cpu, body)
        yield cpu, body


def threads_of(scenario: Scenario) -> list[tuple[str, int, Body]]:
    """Return the threads of a scenario, each on a CPU of its own. Raises ScenarioError."""
    cls = type(scenario)
    if cls.actors is _base(cls).actors:
        raise _wrong(cls, "actors", "is not there; it should return the threads, as (name, cpu, body)")
    threads, taken = scenario.actors(), dict[int, str]()
    if not isinstance(threads, list | tuple) or not threads:
        raise _wrong(cls, "actors", f"returns {_kind(threads)}, and should return a list of one thread or more")
    for thread in threads:
        if not isinstance(thread, tuple) or len(thread) != 3 or not isinstance(thread[0], str):
            raise _wrong(cls, "actors", f"has the thread {thread!r}, and a thread is (name, cpu, body)")
        name, cpu, body = thread
        _vet_actor(scenario, "actors", f"thread {name}", cpu, body)
        if cpu in taken:
            raise _wrong(cls, "actors", f"has threads {taken[cpu]} and {name} both on CPU {cpu}; give each its own")
        taken[cpu] = name
    return list(threads)


def _vet_actor(scenario: Scenario, method: str, what: str, cpu: object, body: object) -> None:
    """Raise ScenarioError unless the CPU is there and the body makes a coroutine."""
    cls, cpus = type(scenario), scenario.world().cpus
    if type(cpu) is not int or not 0 <= cpu < cpus:
        raise _wrong(cls, method, f"has {what} on CPU {cpu!r}, and the world has CPUs 0 to {cpus - 1}")
    if inspect.iscoroutine(body):
        body.close()
        raise _wrong(cls, method, f"calls the body of {what}, {body.__name__}(); name it, without the parentheses")
    if not callable(body):
        raise _wrong(cls, method, f"has {body!r} as the body of {what}, which should be an async method")
    if not inspect.iscoroutinefunction(body):
        made = body()
        if not inspect.iscoroutine(made):
            raise _wrong(cls, method, f"has a body for {what} that is not async; write 'async def'")
        made.close()


def _called(cls: type[Scenario], function: Any, *arguments: Any) -> Any:
    """Return what a function of a scenario returns. Raises ScenarioError for a wrong signature."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        what = "__init__" if function is cls else "parameters"
        raise _wrong(cls, what, f"cannot be called as it should ({error}); see stress.scenario.Scenario") from error
    return function(*arguments)


def _base(cls: type[Scenario]) -> type[Scenario]:
    """Return the class Scenario itself, of which ``cls`` is one."""
    return next(base for base in cls.__mro__ if base.__module__ == "stress.scenario")


def _wrong(cls: type[Scenario], method: str, words: str) -> ScenarioError:
    place = shown(files_of(cls)[0])
    return ScenarioError(f"{place}: {cls.__name__}.{method}() {words}; this is a mistake in the scenario")


def _kind(value: object) -> str:
    """Return what a value is, in words."""
    return "nothing" if value is None else "no element" if value in ([], ()) else f"a {type(value).__name__}"
