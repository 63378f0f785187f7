"""The lockstep machine that notes footprints: which words of the arena each transition has touched.

A *transition* is one step of one actor and all plain code up to its next step, as in exhaustive
search (``stress/native/search/``). Every cell that is read or written on the way is noted with what
was there before, whoever reads it: model, checker or machine. But what decides whether an actor may
go on is read by that actor's next transition, not by whoever asks on the way. That makes executions
several times slower, so it is for measuring, not for searching. A slice is touched whole, also by
native code that goes over it and stops on the way.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from sim.core.arena import WORD, Arena, Layout
from sim.core.machine import Actor
from stress.machine.lockstep import Lockstep
from stress.machine.protocols import Listener
from stress.machine.scheduler import BLOCKED


@dataclass
class Noted:
    """What a transition has done so far."""

    slot: int = 0
    words: dict[int, int] = field(default_factory=dict)
    """The words of the arena that were touched, to what was there before."""
    draws: list[int] = field(default_factory=list)
    suspending: list[int] = field(default_factory=list)
    """Slots of other actors that it has suspended or resumed."""
    keeps_seq: bool = False
    """It has put a step number into a variable, where it is compared with later ones."""


class NotedCells:
    """The words of a column, which notes who touches them in ``words``."""

    def __init__(self, view: memoryview, first: int, words: Callable[[], dict[int, int]]) -> None:
        self.view, self.first, self.words = view, first, words

    def __len__(self) -> int:
        return len(self.view)

    def __getitem__(self, index: Any) -> Any:
        self._touch(index)
        return self.view[index]

    def __setitem__(self, index: Any, value: Any) -> None:
        self._touch(index)
        self.view[index] = value

    def _touch(self, index: Any) -> None:
        cells = range(len(self.view))[index]
        words = self.words()
        for cell in (cells,) if isinstance(cells, int) else cells:
            words.setdefault(self.first + cell, self.view[cell])

    def tolist(self) -> list[int]:
        """Return all words."""
        self._touch(slice(None))
        return self.view.tolist()

    def release(self) -> None:
        """Let go of the memory."""
        self.view.release()


class NotedArena(Arena):
    """An arena whose columns note what is touched of them."""

    def __init__(self, layout: Layout, fd: int) -> None:
        super().__init__(layout, fd)
        self.noted = Noted()
        for name, column in self.columns.items():
            cells: Any = NotedCells(column.view, layout.offsets[name] // WORD, lambda: self.noted.words)
            column.view = cells


class NotedMachine(Lockstep):
    """Tells ``listen`` of each transition, once it has ended."""

    def __init__(self, arena: Arena, slots: int, steps_max: int, listener: Listener | None = None) -> None:
        super().__init__(arena, slots, steps_max, listener)
        assert isinstance(arena, NotedArena)
        self.noting = arena
        self.listen: Callable[[Noted], None] = lambda noted: None
        self.asks: dict[int, Callable[[], bool]] = {}
        """What each slot asks that stands before a step which it may have to wait for."""

    def begin(self, actors: list[Actor], *rest: Any, **named: Any) -> None:
        super().begin(actors, *rest, **named)
        self._enter(switched=True)

    def _enter(self, switched: bool) -> None:
        """Begin to note a transition of the actor that was chosen, which reads what it has waited
        for; its first waits for its gate, and takes the turn for its first step too.
        """
        me = self.current
        self.noting.noted = Noted(me)
        self.before = list(self.state)
        self.granted = int(switched and not self.started[me])
        ready = self.asks.get(me) if self.started[me] else self.actors[me].ready
        if ready is not None:
            ready()

    def _leave(self) -> None:
        """End the transition of the actor that stands before its next step, or has finished."""
        noted = self.noting.noted
        changed = [(now ^ before) & ~BLOCKED for now, before in zip(self.state, self.before, strict=True)]
        noted.suspending = [k for k in range(self.slots) if k != noted.slot and changed[k]]
        self.listen(noted)

    def ask(self, code: int) -> bool:
        self._leave()
        switched = super().ask(code)
        self._enter(switched)
        return switched

    @contextmanager
    def _unnoted(self) -> Iterator[None]:
        """Forget what is touched inside."""
        words = self.noting.noted.words
        known = len(words)
        yield
        while len(words) > known:
            words.popitem()

    def _arm(self, actor: Actor) -> None:
        with self._unnoted():
            super()._arm(actor)

    def _reconsider(self, key: int) -> None:
        with self._unnoted():
            super()._reconsider(key)

    async def _await_turn(self, code: int, keys: tuple[int, ...], ready: Callable[[], bool]) -> None:
        me, mine = self.current, self.granted

        def asked() -> bool:
            with nullcontext() if mine else self._unnoted():
                return ready()

        self.asks[me] = ready
        try:
            await super()._await_turn(code, keys, asked)
        finally:
            del self.asks[me]

    def finish(self) -> None:
        if self.verdict.kind == "clean":
            self._leave()
        super().finish()

    def draw(self, label: str, n: int) -> int:
        choice = super().draw(label, n)
        self.noting.noted.draws.append(choice)
        return choice

    @property
    def seq(self) -> int:
        if sys._getframe(1).f_code.co_flags & inspect.CO_COROUTINE:
            self.noting.noted.keeps_seq = True
        return len(self.log) >> 1
