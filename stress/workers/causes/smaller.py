"""Schedules and data tapes that are smaller than others by one change: what deletion tries.

The largest changes come first: an actor, then runs of steps (halving how many at a time, as delta
debugging does), then where a run ends, then choices of the data.

Source: A. Zeller, R. Hildebrandt, "Simplifying and isolating failure-inducing input", TSE 2002.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from stress.workers.causes.attempts import ANY, Runs, Tapes

SLIDE_MAX = 32
"""Steps by which the end of a run is moved, at most."""


def smaller(runs: Runs, tapes: Tapes) -> Iterator[tuple[Runs, Tapes]]:
    """Yield schedules and tapes that differ from these by one change, the largest first."""
    for fewer in schedules(list(runs)):
        yield fewer, tapes
    for plainer in plainer_tapes(tapes):
        yield runs, plainer


def schedules(runs: list[tuple[int, int]]) -> Iterator[Runs]:
    """Yield schedules that differ from one by a change."""
    for slot in sorted({slot for slot, _ in runs}):
        yield [run for run in runs if run[0] != slot]
    for start, end in chunks(len(runs)):
        yield runs[:start] + runs[end:]
    for at in range(1, len(runs)):
        yield brought_forward(runs, at)
    for at, (slot, steps) in enumerate(runs):
        yield [*runs[:at], (slot, ANY), *runs[at + 1 :]]
        for by in range(1, min(steps, SLIDE_MAX) + 1):
            yield [*runs[:at], (slot, steps - by), *runs[at + 1 :]]
            yield [*runs[:at], (slot, steps + by), *runs[at + 1 :]]


def chunks(length: int) -> Iterator[tuple[int, int]]:
    """Yield stretches (start, end) of a list: halves, then quarters, down to single elements."""
    size = length // 2
    while size:
        for start in range(length - size, -1, -size):
            yield start, start + size
        size //= 2


def brought_forward(runs: Sequence[tuple[int, int]], at: int) -> Runs:
    """Return a schedule in which the run at ``at`` follows its actor's run before at once."""
    slot = runs[at][0]
    before = next((k for k in range(at - 1, -1, -1) if runs[k][0] == slot), -1)
    joined = (slot, runs[at][1] + (runs[before][1] if before >= 0 else 0))
    rest = [run for k, run in enumerate(runs) if k not in (before, at)]
    place = max(before, 0)
    return [*rest[:place], joined, *rest[place:]]


def plainer_tapes(tapes: Tapes) -> Iterator[Tapes]:
    """Yield the tapes with fewer choices, and with plain ones (0) in place of others."""
    if any(any(tape) for tape in tapes.values()):
        yield {}
    for slot, tape in tapes.items():
        if any(tape):
            yield {**tapes, slot: ()}
        for start, end in chunks(len(tape)) if len(tape) < SLIDE_MAX else ():
            yield {**tapes, slot: (*tape[:start], *tape[end:])}
        for at, choice in enumerate(tape):
            if choice:
                yield {**tapes, slot: (*tape[:at], 0, *tape[at + 1 :])}
