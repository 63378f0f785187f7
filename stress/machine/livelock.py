"""Livelock detection. After the step budget is spent the actors take turns round-robin, with all
chance plain; if the complete state repeats, the run is a livelock.

The complete state is the hash of the arena and, for each actor inside its body, where its
coroutines stand and what their plain locals hold. Fair turns without chance are deterministic, so a
state that comes again will come again for ever.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from dataclasses import is_dataclass
from types import CodeType, FrameType
from typing import Any

from sim.core.arena import Arena
from stress.strategies import Strategy

FAIR_STEPS_MAX = 20_000
"""Steps of fair turns at most: each costs a hash of the whole arena."""

_PLAIN = (int, str, bytes, tuple, list, dict, set, type(None))

Chain = tuple[tuple[str, int, str], ...]
"""Where the coroutines of one actor stand: for each its name, instruction and plain locals."""


def await_chain(coroutine: Any) -> Chain:
    """Return the chain of a parked actor, from ``coroutine`` in to the one that yielded."""
    chain = []
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        chain.append(_place(frame))
        coroutine = coroutine.cr_await
    return tuple(chain)


def running_chain(outermost: CodeType) -> Chain:
    """Return the chain of the actor that is running, from the caller out to the coroutine of the
    code ``outermost``, which is left out.

    Plain functions on the way, as those of the machine, are no part of an actor's state.
    """
    chain = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not outermost:
        if frame.f_code.co_flags & inspect.CO_COROUTINE:
            chain.append(_place(frame))
        frame = frame.f_back
    return tuple(chain)


def _place(frame: FrameType) -> tuple[str, int, str]:
    values = tuple(
        (name, value)
        for name, value in sorted(frame.f_locals.items())
        if isinstance(value, _PLAIN) or is_dataclass(value)
    )
    return frame.f_code.co_qualname, frame.f_lasti, repr(values)


class FairTurns(Strategy):
    """Round-robin, one step each, in place of the strategy ``inner`` whose budget is spent."""

    name = "fair"
    free = 0

    def __init__(self, inner: Strategy) -> None:
        self.inner = inner

    def start(self, seed: int, slots: int) -> None:
        self.inner.start(seed, slots)

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        return next((slot for slot in enabled if slot > current), enabled[0])

    def finish(self, steps: int) -> None:
        self.inner.finish(steps)


class Livelock:
    """The states seen since the budget of ``steps_max`` steps was spent."""

    def __init__(self, steps_max: int) -> None:
        self.steps_max = steps_max
        self.seen: dict[bytes, int] = {}
        """Hash of a state -> the step at which it was seen."""
        self.began = -1

    def look(self, arena: Arena, chains: list[object], step: int) -> int:
        """Return after how many steps this very state has come again, or 0."""
        if self.began < 0:
            self.began = step
        state = hashlib.blake2b(repr((arena.model_hash(), *chains)).encode(), digest_size=16).digest()
        return step - self.seen.setdefault(state, step)

    def spent(self, step: int) -> bool:
        """Return whether the search has had as many steps as the run before it, or
        FAIR_STEPS_MAX.
        """
        return step - self.began > min(self.steps_max, FAIR_STEPS_MAX)
