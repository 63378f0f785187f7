"""The lockstep machine: what each step does, one actor at a time.

:mod:`stress.machine.scheduler` says whose turn it is.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from sim.core.arena import Column
from sim.core.machine import Abandon, Violation
from sim.core.pte import PFN_SHIFT
from sim.core.step import (
    FIELD_SHIFT,
    KIND_SHIFT,
    LOAD_THROUGH_TLB,
    STORE_THROUGH_TLB,
    TLB_SHIFT,
    VERSION_BITS,
    VERSION_MASK,
    WAIT,
)
from stress.machine.scheduler import Scheduler, hand_over

LOAD_ACCESS, STORE_ACCESS = LOAD_THROUGH_TLB << KIND_SHIFT, STORE_THROUGH_TLB << KIND_SHIFT
"""The kinds of an access through a TLB, shifted to where a step's code has its kind."""
_WAIT = WAIT << KIND_SHIFT


def not_owner(name: str, code: int, col: Column, i: int, state: str) -> Violation:
    """Return the violation that the actor ``name`` releases a lock which is not its own.

    ``code`` is the step's, ``state`` says in words what the lock is instead.
    """
    words = f"{name} releases {col.name}[{i}], which is {state}"
    return Violation(
        "lock", "unlock-not-owner", words, code, 0, [(col.name, i, col.view[i])], "a lock is released by its owner"
    )


class Lockstep(Scheduler):
    """The machine's primitives.

    Each repeats the four lines that take its turn: a call more at every step would cost a tenth of
    the speed.
    """

    # -- plain steps ------------------------------------------------------------------------------------------

    async def load(self, site: int, col: Column, i: int) -> int:
        code = site + col.r + i
        if self.granted:
            self.granted -= 1
        elif self.ask(code):
            await hand_over()
        value = col.view[i]
        self.emit(code)
        self.emit(value)
        if col.look is not None:
            col.look(i)
        return value

    async def store(self, site: int, col: Column, i: int, value: int, holder: int = 0) -> None:
        code = site + col.w + i
        if self.granted:
            self.granted -= 1
        elif self.ask(code):
            await hand_over()
        view = col.view
        old = view[i]
        view[i] = value
        self.emit(code)
        self.emit(value)
        if col.watch is not None:
            col.watch(i, old, value, holder)

    async def xchg(self, site: int, col: Column, i: int, value: int, holder: int = 0) -> int:
        code = site + col.x + i
        if self.granted:
            self.granted -= 1
        elif self.ask(code):
            await hand_over()
        view = col.view
        old = view[i]
        view[i] = value
        self.emit(code)
        self.emit(old)
        if col.watch is not None:
            col.watch(i, old, value, holder)
        return old

    async def add(self, site: int, col: Column, i: int, delta: int, holder: int = 0) -> int:
        code = site + col.x + i
        if self.granted:
            self.granted -= 1
        elif self.ask(code):
            await hand_over()
        view = col.view
        old = view[i]
        value = view[i] = old + delta
        self.emit(code)
        self.emit(value)
        if col.watch is not None:
            col.watch(i, old, value, holder)
        return value

    async def rmw(self, site: int, col: Column, i: int, change: Callable[[int], int], holder: int = 0) -> int:
        code = site + col.x + i
        if self.granted:
            self.granted -= 1
        elif self.ask(code):
            await hand_over()
        view = col.view
        old = view[i]
        value = view[i] = change(old)
        self.emit(code)
        self.emit(old)
        if col.watch is not None:
            col.watch(i, old, value, holder)
        return old

    async def access(
        self, site: int, tlb: Column, cell: int, need: int, offset: int, content: Column, store: bool
    ) -> int:
        code = site + tlb.r + cell
        if self.granted:
            self.granted -= 1
        elif self.ask(code):
            await hand_over()
        entry = tlb.view[cell]
        if entry & need != need:
            self.emit(code)
            self.emit(entry)
            return -1
        pfn = (entry >> PFN_SHIFT) + offset
        self.emit(site + (STORE_ACCESS if store else LOAD_ACCESS) + (content.id << FIELD_SHIFT) + pfn)
        version = self.versions + (len(self.log) >> 1) + 1 if store else content.view[pfn]
        self.emit(tlb.id << TLB_SHIFT | cell << VERSION_BITS | version & VERSION_MASK)
        if self.accessed is not None:
            self.accessed(tlb, cell, pfn, offset, store)
        if store:
            old = content.view[pfn]
            content.view[pfn] = version
            if content.watch is not None:
                content.watch(pfn, old, version, 0)
        return version

    async def wait(self, site: int, col: Column, i: int, ready: Callable[[], bool]) -> int:
        code = site + _WAIT + (col.id << FIELD_SHIFT) + i
        await self._await_turn(code, (col.r + i,), ready)
        value = col.view[i]
        self.emit(code)
        self.emit(value)
        if col.look is not None:
            col.look(i)
        return value

    def poke(self, col: Column, i: int, value: int) -> None:
        old = col.view[i]
        col.view[i] = value
        if col.watch is not None:
            col.watch(i, old, value, 0)

    def draw(self, label: str, n: int) -> int:
        if self.abandoning:
            raise Abandon
        return self.data.draw(self.current, label, n if self.livelock is None else 1)

    # -- locks ------------------------------------------------------------------------------------------------

    def _changed(self, col: Column, i: int, old: int, new: int) -> None:
        if col.watch is not None:
            col.watch(i, old, new, 0)
        if col.r + i in self._waiters:
            self._reconsider(col.r + i)

    async def _take(self, code: int, col: Column, i: int, value: int) -> None:
        view = col.view
        if self.granted and not view[i]:
            self.granted -= 1
        else:
            await self._await_turn(code, (col.r + i,), lambda: view[i] == 0)
        view[i] = value
        self.emit(code)
        self.emit(value)
        if col.watch is not None:
            col.watch(i, 0, value, 0)
        if col.r + i in self._waiters:
            self._reconsider(col.r + i)

    def lock(self, site: int, col: Column, i: int) -> Coroutine[Any, Any, None]:
        return self._take(site + col.x + i, col, i, self.current + 1)

    async def trylock(self, site: int, col: Column, i: int) -> bool:
        code = site + col.x + i
        if self.granted:
            self.granted -= 1
        elif self.ask(code):
            await hand_over()
        old = col.view[i]
        if not old:
            col.view[i] = self.current + 1
        self.emit(code)
        self.emit(old)
        if old:
            return False
        self._changed(col, i, 0, self.current + 1)
        return True

    async def unlock(self, site: int, col: Column, i: int) -> None:
        code = site + col.w + i
        if self.granted:
            self.granted -= 1
        elif self.ask(code):
            await hand_over()
        old = col.view[i]
        self.emit(code)
        self.emit(0)
        if old != self.current + 1:
            self._not_owner(
                code,
                col,
                i,
                f"held by {self.actors[old - 1].name}"
                if 0 < old <= self.slots and old - 1 in self.actors
                else "not held",
            )
        col.view[i] = 0
        self._changed(col, i, old, 0)

    def _not_owner(self, code: int, col: Column, i: int, state: str) -> None:
        self.fail(not_owner(self.actors[self.current].name, code, col, i, state))

    async def down_read(self, site: int, col: Column, i: int) -> None:
        code, view = site + col.x + i, col.view
        await self._await_turn(code, (col.r + i,), lambda: view[i] >= 0)
        view[i] += 1
        self.readers.setdefault(col.r + i, []).append(self.current)
        self.emit(code)
        self.emit(view[i])
        self._changed(col, i, view[i] - 1, view[i])

    async def down_read_trylock(self, site: int, col: Column, i: int) -> bool:
        code, view = site + col.x + i, col.view
        if self.granted:
            self.granted -= 1
        elif self.ask(code):
            await hand_over()
        old = view[i]
        self.emit(code)
        self.emit(old)
        if old < 0:
            return False
        view[i] = old + 1
        self.readers.setdefault(col.r + i, []).append(self.current)
        self._changed(col, i, old, old + 1)
        return True

    async def up_read(self, site: int, col: Column, i: int) -> None:
        code, view = site + col.x + i, col.view
        if self.granted:
            self.granted -= 1
        elif self.ask(code):
            await hand_over()
        readers = self.readers.get(col.r + i, [])
        mine = self.current in readers
        if mine:
            readers.remove(self.current)
            view[i] -= 1
        self.emit(code)
        self.emit(view[i])
        if not mine:
            self._not_owner(code, col, i, "not held by it for reading")
        self._changed(col, i, view[i] + 1, view[i])

    def down_write(self, site: int, col: Column, i: int) -> Coroutine[Any, Any, None]:
        return self._take(site + col.x + i, col, i, -1 - self.current)

    def up_write(self, site: int, col: Column, i: int) -> Coroutine[Any, Any, None]:
        return self._leave_write(site + col.w + i, col, i, 0)

    def downgrade_write(self, site: int, col: Column, i: int) -> Coroutine[Any, Any, None]:
        return self._leave_write(site + col.x + i, col, i, 1)

    async def _leave_write(self, code: int, col: Column, i: int, value: int) -> None:
        if self.granted:
            self.granted -= 1
        elif self.ask(code):
            await hand_over()
        old = col.view[i]
        mine = old == -1 - self.current
        if mine:
            col.view[i] = value
        self.emit(code)
        self.emit(value)
        if not mine:
            self._not_owner(code, col, i, "not held by it for writing")
        if value:
            self.readers.setdefault(col.r + i, []).append(self.current)
        self._changed(col, i, old, value)
