"""Whose turn it is in lockstep: executions, choices, which actors are enabled, and why not.

The running actor asks the strategy inside its step, and yields only if another actor was chosen. A
strategy may grant several steps at once, so that consecutive steps of one actor cost little. A
parked actor stands *before* its step. An actor whose step cannot be made (its lock is held, what it
waits for has not happened) is not enabled.

A driver (:mod:`stress.machine.driver`) resumes the actors' coroutines; this module never does. What
a step does is in :mod:`stress.machine.lockstep`.
"""

from __future__ import annotations

import types
from bisect import insort
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress

from sim.core.arena import Arena, Column
from sim.core.machine import Abandon, Actor, Violation, site_info
from stress.errors import ScenarioError
from stress.machine.base import RunningMachine
from stress.machine.deadlock import explain
from stress.machine.livelock import FairTurns, Livelock, call_of, caller_of, chain, parked_frames, running_frames
from stress.machine.protocols import Listener, Tape, Verdict
from stress.strategies import Strategy

HANDOVER, PARKED = object(), object()
"""What an actor's coroutine yields: HANDOVER at a step where another actor goes next, PARKED
between executions.
"""

BLOCKED, FINISHED, ABSENT, SUSPENDED = 1, 2, 4, 8
"""Why a slot is not enabled; a slot of state 0 is.

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
    """An actor that may go on only when ``ready()``, registered under the ``keys`` of the cells
    that ``ready`` reads.
    """

    __slots__ = ("keys", "ready", "slot")

    def __init__(self, slot: int, keys: tuple[int, ...], ready: Callable[[], bool]) -> None:
        self.slot, self.keys, self.ready = slot, keys, ready


class Scheduler(RunningMachine):
    """Executions and turns. :meth:`begin` an execution, let a driver run it while :attr:`live`,
    then read :attr:`verdict`.

    ``steps_max`` is the step budget; ``listener`` hears of every step, if there is one.
    """

    def __init__(self, arena: Arena, slots: int, steps_max: int, listener: Listener | None = None) -> None:
        super().__init__(arena, slots)
        self.steps_max = steps_max
        self.log: list[int] = []
        """Two words a step: its code, and the value that it read or left."""
        self.listener = listener
        self.emit = self.log.append if listener is None else self._emit_and_tell
        """Appends a word to the log."""
        self.tape: list[int] = []
        """Two words for each change of actor: the slot that gave up its turn, and the steps that
        all actors had made by then.
        """
        self._waiters: dict[int, list[_Waiter]] = {}
        self._gates: dict[int, _Waiter] = {}
        self.readers: dict[int, list[int]] = {}
        """The slots that hold each rwsem for reading, by the code of its load."""
        self.pauses: tuple[int, ...] = ()
        """Numbers of steps after which :attr:`at_pause` is called, ascending."""

    def _emit_and_tell(self, word: int) -> None:
        """Append a word to the log, and tell the listener of a step that is complete with it."""
        assert self.listener is not None
        self.log.append(word)
        if len(self.log) & 1 == 0:
            self.listener.step(self.log[-2], word)

    # -- an execution ----------------------------------------------------------------------------------------

    def begin(
        self,
        actors: list[Actor],
        strategy: Strategy,
        data: Tape,
        seed: int,
        pauses: Sequence[int] = (),
        at_pause: Callable[[], None] | None = None,
    ) -> None:
        """Set up an execution, and make its first choice. The arena holds its first state.

        ``data`` is where the actors draw from; ``seed`` is for the strategy. ``at_pause`` is called
        after each number of steps in ``pauses``, which ascend, before the next step is chosen; it
        may raise Violation.
        """
        self.log.clear()
        self.tape.clear()
        if self.listener is not None:
            self.listener.begin()
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
        self.pauses, self.paused, self.at_pause = tuple(pauses), 0, at_pause
        self.limit = self._next_limit()
        self.livelock: Livelock | None = None
        strategy.parked = self.parked_at
        strategy.start(seed, self.slots)
        for actor in actors:
            self.unfinished += not actor.daemon
            self._arm(actor)
        self.live = bool(self.enabled)
        if self.live:
            self.current = strategy.choose(self.enabled, self.enabled[0], 0)
            self.granted = min(strategy.free + 1, self.limit)
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
                self.granted += not self.started[actor.slot]
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
        """Choose the actor that makes the next step; return whether the running actor must hand
        over.

        ``code`` is of the step that the running actor stands before; 0 if its body has ended.
        """
        step = len(self.log) >> 1
        if self.abandoning:
            raise Abandon
        if step >= self.limit:
            self._limit_reached(step)
        if not self.enabled:
            self._stuck(code)
        me = self.current
        self.parked_at[me] = code
        chosen = self.choose(self.enabled, me, step)
        self.granted = self.strategy.free
        if self.granted:
            self._cap(step)
        if chosen == me:
            return False
        if not self.started[chosen]:
            self.granted += 1
        self.tape += me, step
        self.current = chosen
        return True

    def _cap(self, step: int) -> None:
        """Cut the grant, which comes after the step that is about to be made, where the next pause
        is or the budget ends, so that the machine is asked there.
        """
        if self.granted >= self.limit - step:
            self.granted = max(0, self.limit - step - 1)

    def _next_limit(self) -> int:
        """Return after how many steps the machine must be asked: at the next pause, or where the
        budget ends.
        """
        pending = self.pauses[self.paused : self.paused + 1]
        return min((self.steps_max, *pending))

    def _limit_reached(self, step: int) -> None:
        """Hold the pauses that are due after ``step`` steps; take fair turns if the budget is
        spent.
        """
        while self.paused < len(self.pauses) and self.pauses[self.paused] <= step:
            self.paused += 1
            if self.at_pause is not None and self.pauses[self.paused - 1] == step:
                self.at_pause()
        if step >= self.steps_max:
            self._budget_spent()
        else:
            self.limit = self._next_limit()

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
        """Take fair turns from here on, with all chance plain, and look whether the state is one
        that was there before.
        """
        if self.livelock is None:
            self.livelock = Livelock(self.steps_max)
            self.strategy = FairTurns(self.strategy)
            self.choose = self.strategy.choose
        self.limit = self.seq + 1
        me = self.current
        inside = {slot: parked_frames(self.bodies[slot]) for slot in range(self.slots) if self.started[slot]}
        inside[me] = running_frames(RunningMachine.run_body.__code__)
        threads = [slot for slot in inside if not self.actors[slot].daemon]
        calls = [call_of(inside[slot]) for slot in threads]
        cycle = self.livelock.look(self.arena, [me, *map(chain, inside.values())], calls, self.seq)
        if cycle and threads and self.livelock.in_user_space(calls, self.seq - cycle):
            self._endless(threads[0], caller_of(inside[threads[0]]))
        if cycle:
            sites = sorted(self.log[-2 * cycle :: 2], key=lambda code: site_info(code).name)
            words = f"the same state came again after {cycle} steps of fair turns"
            self.fail(Violation("livelock", "livelock", words, sites[0], sites[-1], rule=_LIVELOCK_RULE))
        if self.livelock.spent(self.seq):
            self.verdict = Verdict("inconclusive", reason=f"the budget of {self.steps_max} steps ran out")
            self.give_up()
            raise Abandon

    def _endless(self, slot: int, at: types.FrameType) -> None:
        """Fail: it is the scenario that goes round, and not the kernel."""
        where = f"{at.f_code.co_filename}:{at.f_lineno}"
        error = ScenarioError(f"{where}: thread {self.actors[slot].name} goes round here for ever; let its body end")
        self.verdict = Verdict("error", error=error, reason=str(error))
        self.give_up()
        raise Abandon

    def _stuck(self, code: int) -> None:
        """Fail: no actor is enabled, and one has not finished."""
        self.parked_at[self.current] = code
        self.fail(explain(self))

    def is_finished(self, slot: int) -> bool:
        """Return whether the actor in ``slot`` has run its body to the end."""
        return bool(self.state[slot] & FINISHED)

    # -- who is enabled ---------------------------------------------------------------------------------------

    def _set_enabled(self, slot: int) -> None:
        if not self.state[slot] and slot not in self.enabled:
            insort(self.enabled, slot)
            self.granted = 0

    def _set_disabled(self, slot: int) -> None:
        if slot in self.enabled:
            self.enabled.remove(slot)
            self.granted = 0

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
        """Reconsider the waiters of a cell of ``col`` whenever a step changes it."""

        def changed(i: int, old: int, new: int, holder: int) -> None:
            if col.r + i in self._waiters:
                self._reconsider(col.r + i)

        col.observe(changed)

    def _reconsider(self, key: int) -> None:
        """Enable the waiters of a cell that has changed and are ready now, disable those that are
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
        """Stand before a step that can be made only when ``ready()``, until the actor may make it."""
        me = self.current
        if not ready():
            self._block(me)
        elif self.granted:
            self.granted -= 1
            return
        if self.ask(code):
            waiter = _Waiter(me, keys, ready)
            self._register(waiter)
            try:
                await hand_over()
            finally:
                self._unregister(waiter)
