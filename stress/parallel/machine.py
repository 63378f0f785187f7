"""The parallel machine in one process: the model's primitives over native steps, and the turns of
the actors that live here.

Between its steps an actor runs plain Python that touches only what steps have put in order. It
gives way to its neighbours (the process's other actors) where it must wait, and where
:mod:`stress.parallel.pace` says so. A CPU's thread and its hardware are always neighbours, so that
interrupt masks, and interrupts that keep a thread from running, concern one process only.

No checker judges single steps here. The ledger follows in the steps themselves, the arena is
audited when all actors are at rest, and the replay of the recording runs under every checker
(docs/architecture.md).
"""

from __future__ import annotations

import os
import time
from array import array
from collections.abc import Callable, Coroutine
from typing import Any

from sim.core.arena import Arena, Column
from sim.core.machine import Abandon, Actor
from sim.core.step import COLUMNS_MAX, FIELD_SHIFT, KIND_SHIFT, WAIT
from stress.machine.base import RunningMachine
from stress.machine.chance import RandomData
from stress.machine.lockstep import LOAD_ACCESS, STORE_ACCESS, not_owner
from stress.machine.pauses import INSIDE
from stress.machine.protocols import Verdict
from stress.machine.scheduler import hand_over
from stress.parallel import native
from stress.parallel.board import (
    ABORT,
    DEADLOCK,
    ERROR,
    FULL,
    LOG_AT,
    MADE,
    OVER,
    PAUSE,
    READS,
    READY,
    SEQ,
    SPINS,
    STRIPES_AT,
    UNFINISHED,
    WAITS,
    WORD,
    Board,
)
from stress.parallel.pace import Pace
from stress.parallel.settings import RunSettings

ROLES = {"page_ref": native.REFERENCES, "pte": native.ENTRIES, "page_mapcount": native.COUNTS}
"""Columns that native steps watch over."""

IDLE_LOOKS, IDLE_SECONDS = 50, 20e-6
"""How often a process that has nothing to do looks around before it sleeps, and for how long it
then does.
"""

_WAIT = WAIT << KIND_SHIFT


class Parallel(RunningMachine):
    """The machine of process number ``process`` of so many.

    One run after another: :meth:`begin`, then a driver until not :attr:`live`.
    """

    def __init__(self, arena: Arena, board: Board, slots: int, process: int, processes: int) -> None:
        super().__init__(arena, slots)
        self.board, self.process, self.processes = board, process, processes
        self.words = board.words
        self.context = array("q", bytes(8 * native.CONTEXT_WORDS))
        self.roles = array("q", bytes(8 * COLUMNS_MAX))
        self.status = memoryview(self.context)[native.STATUS : native.STATUS + 1]
        self.at = self._addresses()
        self.here = self.context.buffer_info()[0]
        self.native_step, self.native_access = native.entry(native.step), native.entry(native.access)
        self.native_hold, self.native_let_go = native.entry(native.hold), native.entry(native.let_go)
        self.add_to = native.entry(native.add_to)
        self.inside = [arena[name].view for name in INSIDE if name in arena.columns]
        self.native_meet = native.entry(native.meet)
        self.pace = Pace(process, processes)

    def _addresses(self) -> list[int]:
        """Fill in the context; return the address of cell 0 of each column."""
        import numpy

        block = numpy.frombuffer(self.arena.block, dtype="<i8").ctypes.data
        board = numpy.frombuffer(self.board.map, dtype="<i8").ctypes.data
        context, offsets = self.context, self.arena.layout.offsets
        context[native.BOARD], context[native.ARENA], context[native.PROCESS] = board, block, self.process
        context[native.STRIPES_OF], context[native.LOG] = board + STRIPES_AT * WORD, board + LOG_AT * WORD
        context[native.MADE_AT] = board + self.board.process(self.process, MADE) * WORD
        for name, role in ROLES.items():
            if name in self.arena.columns:
                self.roles[self.arena[name].id] = role
        context[native.ROLES] = self.roles.buffer_info()[0]
        if "ledger" in offsets:
            context[native.LEDGER], context[native.HEADS] = block + offsets["ledger"], block + offsets["page_head"]
            context[native.PAGES] = len(self.arena["page_head"])
        self.board_at = board
        return [block + offsets[field.name] for field in self.arena.layout.fields]

    # -- a run -----------------------------------------------------------------------------------------------------

    def begin(self, actors: list[Actor], seed: int, versions: int, rows: int, settings: RunSettings) -> None:
        """Set up a run in which this process has ``actors``, and wait until all processes have.

        ``versions`` is the lockstep machine's after the setup, ``rows`` the step budget.
        """
        self.actors = {actor.slot: actor for actor in actors}
        self.local = list(self.actors)
        self.turn = 0
        self.started, self.done = [False] * self.slots, [False] * self.slots
        self.suspended, self.held = [0] * self.slots, [0] * self.slots
        self.blocked: list[Callable[[], bool] | None] = [None] * self.slots
        self.reading: dict[int, list[int]] = {slot: [] for slot in self.local}
        self.data = {slot: RandomData(seed) for slot in self.local}
        context = self.context
        context[native.ROWS], context[native.VERSIONS] = rows, versions
        context[native.RECORDS], context[native.PLAIN_ADD] = settings.record, settings.plain_add
        self.seen, self.idle = -1, 0
        self.verdict, self.abandoning, self.live = Verdict(), False, True
        self.granted = 0
        self.pace.start(seed, settings.yields)
        self.add_to(self.here, self.board_at + READY * WORD, 1)
        while not self._meet(READY, self.processes) and not self.words[ABORT]:
            os.sched_yield()

    def _meet(self, word: int, least: int) -> bool:
        """Wait until a word of the board is ``least`` or more, for a bounded time; return whether
        it is.
        """
        return bool(self.native_meet(self.here, self.board_at + word * WORD, least))

    def pick(self) -> int:
        """Return the actor that runs next: in turn, one that may go; or -1."""
        local, n = self.local, len(self.local)
        pausing = self.words[PAUSE] & 1
        for k in range(n):
            slot = local[(self.turn + k) % n]
            if self._may_go(slot) and not (pausing and self.is_quiet(slot)):
                self.turn = (self.turn + k + 1) % n
                self.current = self.context[native.SLOT] = slot
                return slot
        return -1

    def _may_go(self, slot: int) -> bool:
        if self.suspended[slot]:
            return False
        if self.started[slot]:
            ready = self.blocked[slot]
            return ready is None or ready()
        actor = self.actors[slot]
        return not self.done[slot] and (actor.ready is None or actor.ready())

    def is_quiet(self, slot: int) -> bool:
        """Return whether the thread in ``slot`` stands where the world may be audited: in no
        operation, with no lock, open to interrupts.

        No daemon does: what hardware and RCU have begun is finished first.
        """
        return not self.actors[slot].daemon and not self.held[slot] and not any(view[slot] for view in self.inside)

    def rest(self) -> None:
        """Take note that no actor here may go.

        If that is so in every process, and no step was made since, the run is over, paused or
        stuck.
        """
        if self.words[ABORT]:
            self.give_up()
            return
        if self.board.is_over(self.processes):
            self.live = False
            return
        epoch = self.words[PAUSE]
        mark = self.board.rest_mark(self.processes, epoch)
        if self.seen == mark and self.board.all_rest(self.process, self.processes, mark):
            self._all_rest(epoch)
            return
        self.seen = mark
        self.idle += 1
        if self.idle < IDLE_LOOKS:
            os.sched_yield()
        else:
            time.sleep(IDLE_SECONDS)

    def _all_rest(self, epoch: int) -> None:
        """Stand still until the pause is over; outside a pause the run is over, or stuck."""
        if epoch & 1:
            return self.board.stand(epoch)
        if self.words[UNFINISHED]:
            self.board.abort(DEADLOCK)
        else:
            self.words[self.board.process(self.process, OVER)] = 1
        self.live = False

    def starting(self, actor: Actor) -> None:
        """The first step follows at once: the gate was open a moment ago, and only this process
        could have closed it.
        """
        self.idle = 0
        self.granted += not self.granted

    def finished(self, actor: Actor) -> None:
        if not actor.daemon:
            self.done[actor.slot] = True
            self.add_to(self.here, self.board_at + UNFINISHED * WORD, -1)

    def finish(self) -> None:
        """No strategy is told: the cores have decided."""

    def give_up(self) -> None:
        super().give_up()
        self.board.abort(ERROR)

    # -- what every step does --------------------------------------------------------------------------------------

    async def _give_way(self) -> None:
        """Do before a step what the pace decides, now that the granted steps are made."""
        way = self.pace.decide()
        self.granted = way.granted
        if way.hand_over:
            await hand_over()
        elif way.other != self.process:
            self._let_ahead(way.other, way.steps)

    def _let_ahead(self, other: int, steps: int) -> None:
        """Wait until another process has made some steps, for a bounded time, unless it is at rest."""
        made = self.board.process(other, MADE)
        if not self.board.is_resting(other) and not self._meet(made, self.words[made] + steps):
            os.sched_yield()

    async def _step(self, code: int, cell: int, op: int, operand: int = 0, extra: int = 0, holder: int = 0) -> int:
        if self.granted:
            self.granted -= 1
        else:
            await self._give_way()
        value = self.native_step(self.here, code, cell, op, operand, extra, holder)
        while self.status[0]:
            self._again()
            value = self.native_step(self.here, code, cell, op, operand, extra, holder)
        return value

    def _again(self) -> None:
        """Deal with a native call that was not made: leave the run if it is over, else yield the
        core to the process that holds the stripe.
        """
        status = self.status[0]
        if status == native.SPUN:
            self.words[self.board.process(self.process, SPINS)] += 1
            os.sched_yield()
            return
        if status == native.FULL_LOG:
            self.board.abort(FULL)
        self.live = False
        raise Abandon

    async def _stand(self, code: int, ready: Callable[[], bool]) -> None:
        """Stand before a step that cannot be made until ``ready()``."""
        slot, at = self.current, self.board.slot(self.current, WAITS)
        self.blocked[slot], self.words[at] = ready, code
        await hand_over()
        self.blocked[slot], self.words[at] = None, 0
        self.idle = 0

    # -- plain steps -----------------------------------------------------------------------------------------------

    def load(self, site: int, col: Column, i: int) -> Coroutine[Any, Any, int]:
        return self._step(site + col.r + i, self.at[col.id] + (i << 3), native.LOAD)

    async def store(self, site: int, col: Column, i: int, value: int, holder: int = 0) -> None:
        await self._step(site + col.w + i, self.at[col.id] + (i << 3), native.STORE, value, 0, holder)

    def xchg(self, site: int, col: Column, i: int, value: int, holder: int = 0) -> Coroutine[Any, Any, int]:
        return self._step(site + col.x + i, self.at[col.id] + (i << 3), native.XCHG, value, 0, holder)

    def add(self, site: int, col: Column, i: int, delta: int, holder: int = 0) -> Coroutine[Any, Any, int]:
        return self._step(site + col.x + i, self.at[col.id] + (i << 3), native.ADD, delta, 0, holder)

    async def rmw(self, site: int, col: Column, i: int, change: Callable[[int], int], holder: int = 0) -> int:
        if self.granted:
            self.granted -= 1
        else:
            await self._give_way()
        code, cell, expected = site + col.x + i, self.at[col.id] + (i << 3), col.view[i]
        while True:
            found = self.native_step(self.here, code, cell, native.SWAP, change(expected), expected, holder)
            if not self.status[0]:
                return found
            if self.status[0] == native.NOT_NOW:
                expected = found
            else:
                self._again()

    async def access(
        self, site: int, tlb: Column, cell: int, need: int, offset: int, content: Column, store: bool
    ) -> int:
        if self.granted:
            self.granted -= 1
        else:
            await self._give_way()
        code = (STORE_ACCESS if store else LOAD_ACCESS) + (content.id << FIELD_SHIFT)
        while True:
            version = self.native_access(
                self.here, site, self.at[tlb.id] + (cell << 3), tlb.r + cell, need, offset, code, self.at[content.id]
            )
            if not self.status[0]:
                return version
            self._again()

    async def wait(self, site: int, col: Column, i: int, ready: Callable[[], bool]) -> int:
        code, cell = site + _WAIT + (col.id << FIELD_SHIFT) + i, self.at[col.id] + (i << 3)
        if self.granted:
            self.granted -= 1
        else:
            await self._give_way()
        while True:
            if not ready():
                await self._stand(code, ready)
                continue
            if not self.native_hold(self.here, code, cell):
                self._again()
                continue
            made = ready()
            value = self.native_let_go(self.here, code, cell, made)
            if self.status[0]:
                self._again()
            if made:
                return value

    def poke(self, col: Column, i: int, value: int) -> None:
        col.view[i] = value

    def waitable(self, col: Column) -> None:
        """Do nothing: an actor that waits looks at the cell itself."""

    def draw(self, label: str, n: int) -> int:
        if self.abandoning:
            raise Abandon
        choice = self.data[self.current].draw(self.current, label, n)
        if not self.board.append(self.current, choice):
            self.board.abort(FULL)
            self.live = False
            raise Abandon
        return choice

    # -- locks -----------------------------------------------------------------------------------------------------

    async def _take(self, code: int, col: Column, i: int, op: int, operand: int, ready: Callable[[], bool]) -> None:
        cell = self.at[col.id] + (i << 3)
        if self.granted:
            self.granted -= 1
        else:
            await self._give_way()
        while True:
            self.native_step(self.here, code, cell, op, operand, 0, 0)
            if not self.status[0]:
                break
            if self.status[0] == native.NOT_NOW:
                await self._stand(code, ready)
            else:
                self._again()
        self.held[self.current] += 1

    def lock(self, site: int, col: Column, i: int) -> Coroutine[Any, Any, None]:
        view = col.view
        return self._take(site + col.x + i, col, i, native.TAKE_FREE, self.current + 1, lambda: view[i] == 0)

    async def trylock(self, site: int, col: Column, i: int) -> bool:
        got = not await self._step(site + col.x + i, self.at[col.id] + (i << 3), native.TRYLOCK, self.current + 1)
        self.held[self.current] += got
        return got

    async def _leave(self, code: int, col: Column, i: int, mine: int, value: int, how: str) -> None:
        old = await self._step(code, self.at[col.id] + (i << 3), native.LEAVE, value, mine)
        if old != mine:
            self._not_owner(code, col, i, how)
        self.held[self.current] -= not value

    def unlock(self, site: int, col: Column, i: int) -> Coroutine[Any, Any, None]:
        return self._leave(site + col.w + i, col, i, self.current + 1, 0, "not held by it")

    def _not_owner(self, code: int, col: Column, i: int, state: str) -> None:
        self.fail(not_owner(self.actors[self.current].name, code, col, i, state))

    async def down_read(self, site: int, col: Column, i: int) -> None:
        view = col.view
        await self._take(site + col.x + i, col, i, native.TAKE_READ, 0, lambda: view[i] >= 0)
        self._reads(self.reading[self.current].append, col.r + i)

    async def down_read_trylock(self, site: int, col: Column, i: int) -> bool:
        got = await self.rmw(site, col, i, lambda readers: readers + (readers >= 0)) >= 0
        if got:
            self.held[self.current] += 1
            self._reads(self.reading[self.current].append, col.r + i)
        return got

    async def up_read(self, site: int, col: Column, i: int) -> None:
        mine = col.r + i in self.reading[self.current]
        await self._step(site + col.x + i, self.at[col.id] + (i << 3), native.ADD, -1 if mine else 0)
        if not mine:
            self._not_owner(site + col.x + i, col, i, "not held by it for reading")
        self._reads(self.reading[self.current].remove, col.r + i)
        self.held[self.current] -= 1

    def _reads(self, change: Callable[[int], None], key: int) -> None:
        """Note on the board what the actor holds for reading, so that a deadlock can be explained."""
        change(key)
        at = self.board.slot(self.current, READS)
        for k, held in enumerate([*self.reading[self.current], 0]):
            self.words[at + k] = held

    def down_write(self, site: int, col: Column, i: int) -> Coroutine[Any, Any, None]:
        view = col.view
        return self._take(site + col.x + i, col, i, native.TAKE_FREE, -1 - self.current, lambda: view[i] == 0)

    def up_write(self, site: int, col: Column, i: int) -> Coroutine[Any, Any, None]:
        return self._leave(site + col.w + i, col, i, -1 - self.current, 0, "not held by it for writing")

    async def downgrade_write(self, site: int, col: Column, i: int) -> None:
        await self._leave(site + col.x + i, col, i, -1 - self.current, 1, "not held by it for writing")
        self._reads(self.reading[self.current].append, col.r + i)

    # -- interrupts ------------------------------------------------------------------------------------------------

    def suspend(self, slot: int) -> None:
        self.suspended[slot] += 1

    def resume(self, slot: int) -> None:
        self.suspended[slot] -= 1

    # -- what checkers and statistics would ask --------------------------------------------------------------------

    @property
    def seq(self) -> int:
        return self.words[SEQ]

    @property
    def last_site(self) -> int:  # type: ignore[override]
        return 0

    def code_at(self, seq: int) -> int:
        return 0
