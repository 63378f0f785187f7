"""Where each actor stands in a state: what it does next, whether it can, and in which calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import stress
from sim.core.machine import site_info
from sim.core.step import cell_of
from stress.errors import UsageError
from stress.machine.scheduler import ABSENT, BLOCKED, FINISHED, SUSPENDED
from stress.trace.shell.words import close

if TYPE_CHECKING:
    from stress.execution.steps import Step
    from stress.trace.shell.film import Film

ROOT = Path(stress.__file__).parent.parent
"""Files of the model and of scenarios are named from here."""


def line(film: Film, step: Step, mark: str = "") -> str:
    """Return a step in a line."""
    width = max(map(len, film.actors.values()))
    return f"{mark:<2}{step.number:>6}  {step.actor:<{width}}  {step.site.name}: {step.effect()}"


def actors(film: Film, state: int) -> Iterator[str]:
    """Yield an actor a line: whether it can run, and the step that it stands before."""
    width = max(map(len, film.actors.values()))
    following = film.made[state].slot if state < film.last else -1
    for slot, name in film.actors.items():
        mark = "=>" if slot == following else ""
        yield f"{mark:<2} {name:<{width}}  {condition(film, slot, state):<13}  {ahead(film, slot, state)}".rstrip()


def condition(film: Film, slot: int, state: int) -> str:
    """Return in a word or two whether an actor can run."""
    standing = film.standing(state)
    scheduled, started = standing.states[slot], standing.started[slot]
    if scheduled & (FINISHED | ABSENT):
        return "has ended"
    if scheduled & BLOCKED:
        return "waits" if started else "idle"
    if scheduled >= SUSPENDED:
        return "is interrupted"
    return "can run" if started or slot in film.daemons else "has not begun"


def ahead(film: Film, slot: int, state: int) -> str:
    """Return the step that an actor stands before, or that it made last of all; empty if none is
    known.
    """
    standing = film.standing(state)
    step = film.next_of(slot, state)
    if step is not None:
        return f"step {step.number}, {step.site.name}: {step.place}"
    if not standing.started[slot] or standing.states[slot] & FINISHED:
        return ""
    code, last = film.parked_at[slot], film.made[-1]
    if slot == last.slot and code in (0, last.code):
        return f"made step {last.number}, {last.site.name}: {last.place}"
    if code:
        column, index = cell_of(code)
        return f"never made: {site_info(code).name}: {film.layout.fields[column].name}[{index}]"
    return ""


def slot_of(film: Film, text: str) -> int:
    """Return the slot of the actor that ``text`` names: whole, or without its CPU. Raises
    UsageError.
    """
    wanted = " ".join(text.split())
    found = [slot for slot, name in film.actors.items() if wanted in (name, *name.split())]
    if not found:
        raise UsageError(f"no actor '{wanted}'{close(wanted, film.actors.values()) or '; info actors lists them'}")
    return found[0]


def calls(film: Film, slot: int, state: int) -> Iterator[str]:
    """Yield the calls in which an actor is, the innermost first."""
    name = film.actors[slot]
    made = film.calls(slot, state)
    yield f"{name} {condition(film, slot, state)}; {ahead(film, slot, state) or 'no further step in this trace'}"
    if film.standing(state).started[slot]:
        for depth, (function, file, number) in enumerate(reversed(made)):
            yield f"#{depth:<2} {function} at {named(file)}:{number}"


def named(file: str) -> str:
    """Return a file's name from the root of the package on, or as it is if it is elsewhere."""
    path = Path(file)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name
