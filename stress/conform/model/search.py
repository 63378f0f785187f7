"""Exhaustive search in lockstep: finds every state in which a race can end, as far as a projection
tells states apart.

The search is depth first and stateless. Each execution replays a prefix of choices and then goes
on; the other choices of each state that it meets for the first time are left to later executions.
Three reductions keep the search small:

- *Places.* An actor can be preempted only before a step on a *shared* cell: one that another actor
  touches too, at least one of them writing, with no lock that all of them hold. Steps on other
  cells commute with those of other actors; so does the release of a lock that nobody tries. The
  shared cells are not known beforehand. The search begins with none, and begins again whenever an
  execution has shown a new one, until there is no new one. Accesses through a TLB and waits always
  count.
- *States.* A state is searched from once. It is the arena's model region, with the versions of
  contents renamed after the operations that stored them, and for each actor a hash of what its
  steps returned.
- *RCU.* The RCU actor goes last: a grace period frees page tables, which no projection shows.

A rwsem that all actors take for reading counts as read: holds of readers commute. The search leaves
chance out (every draw is plain), and a violation is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from sim.core.arena import RWSEM, SPIN, TRIED
from sim.core.step import (
    LOAD_THROUGH_TLB,
    READ,
    RMW,
    STORE_THROUGH_TLB,
    WAIT,
    WRITE,
    column_of,
    index_of,
    kind_of,
    place_of,
    tlb_place_of,
)
from stress.machine.driver import PlainDriver
from stress.machine.lockstep import Lockstep
from stress.strategies import Strategy


class Pruned(Exception):
    """The execution has come to a state that has been searched from already."""


@dataclass
class Touches:
    """The actors that have touched a cell, as bits of their slots."""

    readers: int = 0
    writers: int = 0
    holders: int = 0
    """Of a rwsem: the actors that have taken it for reading."""
    guards: frozenset[int] | None = None
    """Locks that were held at every touch."""

    def conflict(self) -> bool:
        """Return whether the order of touches can matter."""
        if self.guards:
            return False
        anybody = self.readers | self.writers | (self.holders if self.writers else 0)
        return bool(self.writers) and anybody & (anybody - 1) != 0


class Search(Strategy):
    """The strategy of one search: replays a prefix of choices, and notes the choices that it
    leaves.

    ``rcu`` is the slot of the RCU actor. ``stored`` gives the version that the running operation of
    a slot stores.
    """

    name = "search"
    free = 0

    def __init__(self, machine: Lockstep, rcu: int, stored: Callable[[int], int]) -> None:
        self.machine, self.rcu, self.stored = machine, rcu, stored
        columns = machine.arena.columns
        self.content = columns["page_content"]
        self.tlbs = {columns[name].id for name in ("tlb", "tlb_span") if name in columns}
        kinds = {column.id: column.field.lock for column in columns.values()}
        self.sems = {number for number, kind in kinds.items() if kind == RWSEM}
        self.locks = {number for number, kind in kinds.items() if kind in (SPIN, TRIED)}
        """Whoever holds one keeps the others from what it guards."""
        self.silent = {number for number, kind in kinds.items() if kind in (SPIN, RWSEM)}
        """Nobody sees their release: whoever finds one held waits."""
        self.shared: set[int] = set()
        """Cells where the order of touches can matter."""
        self.touches: dict[int, Touches] = {}
        self.seen: set[Hashable] = set()
        self.waiting: list[tuple[int, ...]] = []
        """Prefixes that are left."""
        self.prefix: tuple[int, ...] = ()

    def start(self, seed: int, slots: int) -> None:
        self.path: list[int] = []
        self.read = 0
        self.history = [0] * slots
        self.held: list[set[int]] = [set() for _ in range(slots)]

    def finish(self, steps: int) -> None:
        pass

    def choose(self, enabled: list[int], current: int, step: int) -> int:
        self.note(current)
        options = [slot for slot in enabled if slot != self.rcu] or enabled
        if current in options and not self._matters(self.machine.parked_at[current]):
            return current
        if len(options) == 1:
            return options[0]
        depth = len(self.path)
        if depth < len(self.prefix):
            self.path.append(self.prefix[depth])
            return self.prefix[depth]
        state = (self.machine.arena.model_hash(), *self.history)
        if state in self.seen:
            raise Pruned
        self.seen.add(state)
        plain = current if current in options else options[0]
        self.waiting += [(*self.path, slot) for slot in options if slot != plain]
        self.path.append(plain)
        return plain

    def _matters(self, code: int) -> bool:
        """Return whether an actor may be preempted before a step."""
        kind, location = kind_of(code), place_of(code)
        column = column_of(location)
        if kind == WRITE and column in self.silent:
            return False
        return not code or kind == WAIT or column in self.tlbs or location in self.shared

    def note(self, slot: int) -> None:
        """Take in the steps made since the last choice; ``slot``, which was current, made them
        all.
        """
        log = self.machine.log
        for at in range(self.read, len(log), 2):
            code, value = log[at], log[at + 1]
            kind, location = kind_of(code), place_of(code)
            if kind == STORE_THROUGH_TLB:
                self.content.view[index_of(location)] = value = self.stored(slot)
            self._touch(slot, kind, location, value, log[at + 1])
            self.history[slot] = hash((self.history[slot], code, value))
        self.read = len(log)

    def _touch(self, slot: int, kind: int, location: int, value: int, logged: int) -> None:
        touched, held = self.touches.setdefault(location, Touches()), self.held[slot]
        if column_of(location) in self.locks:
            self._lock(held, slot, kind, location, value)
        else:
            touched.guards = frozenset(held) if touched.guards is None else touched.guards & held
        if kind in (READ, WAIT, LOAD_THROUGH_TLB):
            touched.readers |= 1 << slot
        elif column_of(location) in self.sems and value >= 0 and not touched.writers >> slot & 1:
            touched.holders |= 1 << slot
        else:
            touched.writers |= 1 << slot
        if kind in (LOAD_THROUGH_TLB, STORE_THROUGH_TLB):
            self.touches.setdefault(tlb_place_of(logged), Touches()).readers |= 1 << slot

    def _lock(self, held: set[int], slot: int, kind: int, location: int, value: int) -> None:
        """Keep account of the locks that an actor holds.

        The step that takes a lock has the taker's slot + 1 as its value; one that tries it has what
        the lock held, which is 0 if the attempt succeeds.
        """
        if kind == RMW and value in (0, slot + 1):
            held.add(location)
        elif kind == WRITE:
            held.discard(location)

    def has_found_conflicts(self) -> bool:
        """Add the cells whose order of touches can matter to ``shared``; return whether any is new."""
        found = {location for location, touched in self.touches.items() if touched.conflict()}
        fresh = found - self.shared
        self.shared |= found
        return bool(fresh)


@dataclass
class Explored:
    """The result of a search."""

    ends: set[Any] = field(default_factory=set)
    """Projections of the states in which the race can end."""
    executions: int = 0
    states: int = 0
    """States searched from, in the last pass."""
    exhausted: bool = False
    """Whether nothing was left when the search ended: then ``ends`` are all there are."""


def explore(
    driver: PlainDriver, search: Search, begin: Callable[[], None], end: Callable[[], Any], executions_max: int
) -> Explored:
    """Search until nothing is left, or ``executions_max`` executions have been made.

    ``begin`` restores the state and begins an execution; ``end`` projects the state in which it has
    ended. Raises what an execution raises, and RuntimeError if one does not end clean.
    """
    found = Explored()
    fresh = True
    while fresh:
        search.seen.clear()
        found.ends.clear()
        search.waiting = [()]
        while search.waiting:
            if found.executions == executions_max:
                return found
            found.executions += 1
            search.prefix = search.waiting.pop()
            if execute(driver, begin):
                found.ends.add(end())
        fresh = search.has_found_conflicts()
    found.states, found.exhausted = len(search.seen), True
    return found


def execute(driver: PlainDriver, begin: Callable[[], None]) -> bool:
    """Run one execution; return whether it reached its end: it does not if it meets a state that
    has been searched from. Raises RuntimeError if it does not end clean.
    """
    try:
        begin()
        driver.execute_now()
    except Pruned:
        return False
    verdict = driver.machine.verdict
    if verdict.kind != "clean":
        raise RuntimeError(f"a race ends with {verdict.kind}: {verdict.reason}")
    return True
