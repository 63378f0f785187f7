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

from sim import task
from sim.core.arena import Arena
from stress.strategies import Strategy

FAIR_STEPS_MAX = 20_000
"""Steps of fair turns at most: each costs a hash of the whole arena."""

HASHED_BYTES_MAX = 2 << 30
"""Bytes of arenas that are hashed at most, which takes some seconds."""

USER_SPACE = task.__file__
"""What a scenario calls: above it is user space, which a kernel cannot end."""

_PLAIN = (int, str, bytes, tuple, list, dict, set, type(None))

CALLS_MAX = 4096
"""States of which it is kept in which calls the threads were: a frame each."""

Chain = tuple[tuple[str, int, str], ...]
"""Where the coroutines of one actor stand: for each its name, instruction and plain locals."""


def parked_frames(coroutine: Any) -> list[FrameType]:
    """Return the frames of a parked actor, from ``coroutine`` in to the one that yielded."""
    frames = []
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        frames.append(frame)
        coroutine = coroutine.cr_await
    return frames


def running_frames(outermost: CodeType) -> list[FrameType]:
    """Return the frames of the actor that is running, from the one within the coroutine of the code
    ``outermost`` in to the caller.

    Plain functions on the way, as those of the machine, are no part of an actor's state.
    """
    frames = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code is not outermost:
        if frame.f_code.co_flags & inspect.CO_COROUTINE:
            frames.append(frame)
        frame = frame.f_back
    return frames[::-1]


def chain(frames: list[FrameType]) -> Chain:
    """Return where the coroutines of an actor stand."""
    return tuple(map(_place, frames))


def call_of(frames: list[FrameType]) -> FrameType | None:
    """Return the frame of the system call, or access to memory, that a thread is in."""
    return next((frame for frame in frames if frame.f_code.co_filename == USER_SPACE), None)


def caller_of(frames: list[FrameType]) -> FrameType:
    """Return the frame that has made that call."""
    call = call_of(frames)
    return frames[max(0, frames.index(call) - 1)] if call is not None else frames[-1]


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
        self.calls: dict[int, list[FrameType | None]] = {}
        """Step -> the calls that the threads were in."""
        self.began = -1
        self.steps_left = FAIR_STEPS_MAX

    def look(self, arena: Arena, chains: list[object], calls: list[FrameType | None], step: int) -> int:
        """Return after how many steps this very state has come again, or 0; ``calls`` are those
        that the unfinished threads are in.
        """
        if self.began < 0:
            self.began = step
            self.steps_left = min(self.steps_max, FAIR_STEPS_MAX, HASHED_BYTES_MAX // arena.layout.model_bytes)
        state = hashlib.blake2b(repr((arena.model_hash(), *chains)).encode(), digest_size=16).digest()
        first = self.seen.setdefault(state, step)
        if len(self.calls) < CALLS_MAX:
            self.calls.setdefault(first, calls)
        return step - first

    def in_user_space(self, calls: list[FrameType | None], first: int) -> bool:
        """Return whether it is the scenario that goes round: since step ``first`` every thread has
        come back from the call that it was in, and made another.
        """
        before = self.calls.get(first, [None])
        return all(old is not None and new is not old for old, new in zip(before, calls, strict=False))

    def spent(self, step: int) -> bool:
        """Return whether the search has had as many steps as the run before it, FAIR_STEPS_MAX, or
        as many as HASHED_BYTES_MAX allows.
        """
        return step - self.began > self.steps_left
