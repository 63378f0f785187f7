"""Whose turn it is: executions, choices, who is enabled, and why not (law L3).

The decision who goes next is made inside the step: an actor gives up its turn only if somebody else
was chosen, and a strategy may grant several steps at once (``free``), which makes runs of one actor
cheap. Whoever is parked stands *before* its step; an actor whose step cannot be made (a held lock,
a wait) is not enabled.

A driver (:mod:`stress.machine.trio_drivers`) resumes the actors' coroutines; this module never
does. What a step does is in :mod:`stress.machine.lockstep`.
"""

from __future__ import annotations

import sys
import types
from bisect import insort
from collections.abc import Callable, Generator
from contextlib import suppress

from sim.core.arena import Arena, Column
from sim.core.machine import Abandon, Actor, Violation, site_info
from stress.machine.base import Executing
from stress.machine.deadlock import explain
from stress.machine.livelock import Livelock, call_chain
from stress.machine.protocols import Strategy, Tape, Verdict

HANDOVER, PARKED = object(), object()
"""What an actor's coroutine yields: at a step where somebody else goes next, and between
executions.
"""

BLOCKED, FINISHED, ABSENT, SUSPENDED = 1, 2, 4, 8
"""Why a slot is not enabled; it is when none of these holds.

Suspensions are counted, in units of SUSPENDED.
"""

_LIVELOCK_RULE = "under fair turns every actor comes to its end"


@types.coroutine
def hand_over() -> Generator[object, None, None]:
    """Give the turn to the actor that the machine has made current."""
    yield HANDOVER


@types.coroutine
def park() -> Generator[object, object, object]:
    """Wait between executions; returns what the driver orders."""
    return (yield PARKED)


class _Waiter:
    """A parked actor that only runs when ``ready()``; registered under the cells that can change
    it.
    """

    __slots__ = ("keys", "ready", "slot")

    def __init__(self, slot: int, keys: tuple[int, ...], ready: Callable[[], bool]) -> None:
        self.slot, self.keys, self.ready = slot, keys, ready


class Turns(Executing):
    """Executions and turns. :meth:`begin` an execution, let a driver run it while :attr:`live`,
    then read :attr:`verdict`.
    """

    def __init__(self, arena: Arena, slots: int, steps_max: int = 20_000) -> None:
        super().__init__(arena, slots)
        self.steps_max = steps_max
        self.log: list[int] = []
        self.emit = self.log.append
        self.tape: list[int] = []
        self._waiters: dict[int, list[_Waiter]] = {}
        self._gates: dict[int, _Waiter] = {}
        self.readers: dict[int, list[int]] = {}

    # -- an execution ----------------------------------------------------------------------------------------

    def begin(self, actors: list[Actor], strategy: Strategy, data: Tape, seed: int) -> None:
        """Set up an execution; the arena holds its first state. The first choice is made here."""
        self.log.clear()
        self.tape.clear()
        self.actors = {actor.slot: actor for actor in actors}
        self.strategy, self.choose, self.data = strategy, strategy.choose, data
        self.state = [ABSENT] * self.slots
        self.started = [False] * self.slots
        self.parked_at = [0] * self.slots
        self.enabled: list[int] = []
        self.unfinished = 0
        self._waiters.clear()
        self.readers.clear()
        self.verdict = Verdict()
        self.abandoning = False
        self.limit = self.steps_max
        self.livelock: Livelock | None = None
        strategy.start(seed, self.slots)
        for actor in actors:
            self.unfinished += not actor.daemon
            self._arm(actor)
        self.live = bool(self.enabled)
        if self.live:
            self.current = strategy.choose(self.enabled, self.enabled[0], 0)
            self.run = min(strategy.free + 1, self.limit)
        elif self.unfinished:
            with suppress(Violation):
                self._stuck(0)

    def _arm(self, actor: Actor) -> None:
        """Make ``actor`` ready to run its body from the start, when its gate is open."""
        slot = actor.slot
        self.started[slot] = False
        self.state[slot] = self.state[slot] & ~(FINISHED | ABSENT)
        if actor.ready is None:
            self._set_enabled(slot)
            return
        self._register(self._gate(actor))
        self.state[slot] |= BLOCKED
        if actor.ready():
            self._unblock(slot)

    def _gate(self, actor: Actor) -> _Waiter:
        """Return what keeps ``actor`` from starting; made once per actor."""
        known = self._gates.get(actor.slot)
        if known is None or known.ready is not actor.ready:
            assert actor.ready is not None
            known = self._gates[actor.slot] = _Waiter(
                actor.slot, tuple(col.r + i for col, i in actor.gate), actor.ready
            )
        return known

    def starting(self, actor: Actor) -> None:
        if actor.ready is not None:
            self._unregister(self._gate(actor))

    def finished(self, actor: Actor) -> None:
        self.state[actor.slot] |= FINISHED
        self._set_disabled(actor.slot)
        if actor.daemon:
            self._arm(actor)
        else:
            self.unfinished -= 1
        if self.enabled:
            if not self.ask(0):
                self.run += not self.started[actor.slot]
        elif self.unfinished:
            self._stuck(0)
        else:
            self._end_segment(actor.slot)
            self.live = False

    def finish(self) -> None:
        """Let the strategy learn."""
        if self.verdict.kind != "clean":
            self._end_segment(self.current)
        self.strategy.finish(self.seq)

    @property
    def seq(self) -> int:
        return len(self.log) >> 1

    @property
    def last_site(self) -> int:  # type: ignore[override]
        return self.log[-2] if self.log else 0

    def code_at(self, seq: int) -> int:
        return self.log[2 * seq - 2] if 0 < seq <= self.seq else 0

    # -- turns ----------------------------------------------------------------------------------------------

    def ask(self, code: int) -> bool:
        """Choose who makes the next step; return whether the running actor must hand over first."""
        step = len(self.log) >> 1
        if self.abandoning:
            raise Abandon
        if step >= self.limit:
            self._budget_spent()
        if not self.enabled:
            self._stuck(code)
        me = self.current
        self.parked_at[me] = code
        chosen = self.choose(self.enabled, me, step)
        self.run = self.strategy.free
        if self.run:
            self._cap(step)
        if chosen == me:
            return False
        if not self.started[chosen]:
            self.run += 1
        self.tape += me, step
        self.current = chosen
        return True

    def _cap(self, step: int) -> None:
        """Let nobody run past the budget without asking."""
        if self.run > self.limit - step:
            self.run = max(0, self.limit - step)

    def _end_segment(self, slot: int) -> None:
        self.tape.append(slot)
        self.tape.append(len(self.log) >> 1)

    def schedule(self) -> list[tuple[int, int]]:
        """Return the schedule so far as runs: (slot, steps made)."""
        runs, last = [], 0
        for at in range(0, len(self.tape), 2):
            slot, end = self.tape[at], self.tape[at + 1]
            runs.append((slot, end - last))
            last = end
        return runs

    def _budget_spent(self) -> None:
        """Go on under fair round-robin, with all chance plain, and look for a state that comes
        again.
        """
        if self.livelock is None:
            self.livelock = Livelock(self.steps_max)
            self.strategy = self.livelock.strategy(self.strategy)
            self.choose = self.strategy.choose
        self.limit = len(self.log) >> 1
        self.limit += 1
        me = self.current
        chains = [self.frames(slot) for slot in range(self.slots) if self.started[slot] and slot != me]
        cycle = self.livelock.look(self.arena, [me, call_chain(sys._getframe(2), "run_body"), *chains], self.seq)
        if cycle:
            sites = sorted(self.log[-2 * cycle :: 2], key=lambda code: site_info(code).name)
            words = f"the same state came again after {cycle} steps of fair turns"
            self.fail(Violation("livelock", "livelock", words, sites[0], sites[-1], rule=_LIVELOCK_RULE))
        if self.livelock.spent(self.seq):
            self.verdict = Verdict("inconclusive", reason=f"the budget of {self.steps_max} steps ran out")
            self.give_up()
            raise Abandon

    def _stuck(self, code: int) -> None:
        """Nobody can run and somebody has not finished."""
        self.parked_at[self.current] = code
        self.fail(explain(self))

    def is_finished(self, slot: int) -> bool:
        """Return whether the actor in ``slot`` has run its body to the end."""
        return bool(self.state[slot] & FINISHED)

    # -- who is enabled ---------------------------------------------------------------------------------------

    def _set_enabled(self, slot: int) -> None:
        if not self.state[slot] and slot not in self.enabled:
            insort(self.enabled, slot)
            self.run = 0

    def _set_disabled(self, slot: int) -> None:
        if slot in self.enabled:
            self.enabled.remove(slot)
            self.run = 0

    def _block(self, slot: int) -> None:
        self.state[slot] |= BLOCKED
        self._set_disabled(slot)

    def _unblock(self, slot: int) -> None:
        self.state[slot] &= ~BLOCKED
        self._set_enabled(slot)

    def suspend(self, slot: int) -> None:
        if not self.state[slot] & ABSENT:
            self.state[slot] += SUSPENDED
            self._set_disabled(slot)

    def resume(self, slot: int) -> None:
        if not self.state[slot] & ABSENT:
            self.state[slot] -= SUSPENDED
            self._set_enabled(slot)

    def waitable(self, col: Column) -> None:
        inner = col.watch

        def changed(i: int, old: int, new: int, holder: int) -> None:
            if inner is not None:
                inner(i, old, new, holder)
            if col.r + i in self._waiters:
                self._reconsider(col.r + i)

        col.watch = changed

    def _reconsider(self, key: int) -> None:
        """A cell that actors wait on has changed: enable those who may go, disable those who may
        not.
        """
        for waiter in list(self._waiters.get(key, ())):
            ready = waiter.ready()
            blocked = self.state[waiter.slot] & BLOCKED
            if ready and blocked:
                self._unblock(waiter.slot)
            elif not ready and not blocked:
                self._block(waiter.slot)

    def _register(self, waiter: _Waiter) -> None:
        for key in waiter.keys:
            self._waiters.setdefault(key, []).append(waiter)

    def _unregister(self, waiter: _Waiter) -> None:
        for key in waiter.keys:
            waiters = self._waiters.get(key)
            if waiters is not None and waiter in waiters:
                waiters.remove(waiter)
                if not waiters:
                    del self._waiters[key]

    async def _await_turn(self, code: int, keys: tuple[int, ...], ready: Callable[[], bool]) -> None:
        """Stand before a step that can be made only when ``ready()``, until it is our turn to make
        it.
        """
        me = self.current
        if not ready():
            self._block(me)
        elif self.run:
            self.run -= 1
            return
        if self.ask(code):
            waiter = _Waiter(me, keys, ready)
            self._register(waiter)
            try:
                await hand_over()
            finally:
                self._unregister(waiter)
