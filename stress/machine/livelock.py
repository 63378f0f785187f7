"""What a run does when its step budget is spent: fair turns, and a look for a state that comes
again.

A fingerprint is the arena's hash with, for each actor inside its body, where its coroutines stand
and what their plain locals hold. Under fair turns without chance a repeated fingerprint is a cycle,
hence a livelock.
"""

from __future__ import annotations

from dataclasses import is_dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any

from sim.core.arena import Arena

if TYPE_CHECKING:
    from stress.machine.protocols import Strategy


_PLAIN = (int, str, bytes, tuple, list, dict, set, type(None))


def await_chain(coroutine: Any) -> tuple[object, ...]:
    """Return where each coroutine of the chain stands, with its locals that are plain values,
    containers or records.
    """
    chain: list[object] = []
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        chain.append(_place(frame))
        coroutine = coroutine.cr_await
    return tuple(chain)


def call_chain(frame: FrameType | None, outermost: str) -> tuple[object, ...]:
    """As :func:`await_chain`, of the actor that is running: from ``frame`` out to the function
    named ``outermost``.
    """
    chain: list[object] = []
    while frame is not None and frame.f_code.co_name != outermost:
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


class _Fair:
    """Round-robin, one step each, in place of a strategy whose budget is spent."""

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
    """Remembers the fingerprints seen since the budget was spent."""

    def __init__(self, steps_max: int) -> None:
        self.steps_max = steps_max
        self.seen: dict[tuple[object, ...], int] = {}
        self.began = -1

    def strategy(self, inner: Strategy) -> Strategy:
        """Return the fair strategy that takes over from ``inner``."""
        return _Fair(inner)

    def look(self, arena: Arena, chains: list[object], step: int) -> int:
        """Return after how many steps this very state has come again, or 0."""
        if self.began < 0:
            self.began = step
        key = (arena.model_hash(), *chains)
        return step - self.seen.setdefault(key, step)

    def spent(self, step: int) -> bool:
        """Return whether the search for a cycle has had as many steps as the run before it."""
        return step - self.began > self.steps_max
