"""Depth first through all states of a case.

*In full*, every enabled actor moves in every state. *Reduced*, only those of a persistent set move
(Godefroid, *Partial-Order Methods for the Verification of Concurrent Systems*, LNCS 1032, 1996):
nothing that the others can do from where they stand conflicts with what a member does next, or
enables a member. Deviations from the book: what others can do is assumed from what was seen, by the
places in functions at which they stand, and what is seen later is held against it (``explore.c``
has the argument).

*With sleep sets*, who has moved in a state need not move again behind transitions of others that
conflict with none of its own (the same book, chapter 5). Who slept is kept with each state, and
whoever slept each time before and does not now moves after all. All states are come to, by fewer
transitions. Deviations: transitions of one actor that differ in what they draw sleep and wake
together (``sleep.c``); there are no persistent sets besides (docs/proofs.md says why).

*By executions* (:class:`Executions`), no table of states is kept: an actor moves where a race of
two transitions asks for it, and sleeps where it has moved already (source sets: Abdulla, Aronis,
Jonsson and Sagonas, *Optimal Dynamic Partial Order Reduction*, POPL 2014; ``races.c`` has the
deviations).

States are known by 63 bits of their name, so that two of them can be taken for one, with a chance
that :func:`missed_chance` states.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, fields
from enum import Enum

from sim.core.arena import WORD
from stress.native.search.space import DRAWN_MAX, StateSpace, Taken

WORD_BITS = 63
"""Bits of a state's name that are kept."""

WALKS, WALKS_AGAIN = 300, 20
"""Executions at random by which a reduced search learns who touches what: before it begins, and
when it has guessed wrong.
"""

_WAY_HEAD = 3
"""Words of a transition in ``zap_way`` before what it drew: slot, step number, how many it drew."""

_COUNTS = (
    "states", "transitions", "ends", "deepest", "full", "cycles", "why", "where", "table", "reduced", "classes",
    "woken",
)  # fmt: skip


class StateReduction(Enum):
    """Which transitions an exploration leaves out; certificates have the values."""

    NONE = "none"
    PERSISTENT = "persistent sets"
    SLEEPING = "sleep sets"


_NUMBERS = {StateReduction.NONE: 0, StateReduction.PERSISTENT: 1, StateReduction.SLEEPING: 2}
"""Reductions, as in explore.c."""


class Ended(Enum):
    """How far an exploration has come."""

    COMPLETE = 0
    NOT_YET = 1
    FOUND = 2
    """A transition, or the end of an execution, is bad, or met a limit of the native core."""
    MEMORY_SPENT = 3
    TOO_DEEP = 4
    GUESSED_WRONG = 5
    NO_MEMORY = 6


@dataclass(frozen=True)
class Extent:
    """What an exploration has done: ``ends`` are the states in which everything has ended,
    ``cycles`` the transitions that led back into a state of the same way, ``classes`` the
    executions that are not equivalent, where executions are counted; ``woken`` how often a state
    was come to again in which somebody who had slept had to move.
    """

    states: int
    transitions: int
    ends: int
    deepest: int
    cycles: int
    classes: int = 0
    woken: int = 0


class Exploration:
    """Explores a space from its beginning; ``words_max`` is the size of the table of states, of
    which two thirds are used. With ``preemptions`` only executions in which a turn is taken from an
    actor that could go on at most so often: states are then told apart by who moves, and by how
    often that was; it is complete within the bound, because it is not reduced besides (bounds and
    reductions together miss executions: Marmanis, Kokologiannakis and Vafeiadis, TACAS 2023).
    """

    def __init__(self, space: StateSpace, reduction: StateReduction, words_max: int, preemptions: int = -1) -> None:
        assert reduction == StateReduction.NONE or preemptions < 0, "a bound and a reduction together miss executions"
        self.space, self.reduction, self.words_max = space, reduction, words_max
        self.preemptions = preemptions
        self.lib = space.library.lib
        self.attempts = 0
        self.wasted = 0
        """Transitions of attempts that had guessed wrong."""
        self.why = 0
        self._begun = False

    def _begin(self) -> Ended:
        """Begin an attempt; one with persistent sets looks first who touches what."""
        number, persistent = _NUMBERS[self.reduction], self.reduction == StateReduction.PERSISTENT
        self.lib.zap_bound(self.preemptions)
        self.space.begin()
        if persistent:
            if not self.attempts:
                self.lib.zap_explore_begin(number, self.words_max, 0)
            self.space.begin()
            self.lib.zap_walks(self.attempts, WALKS_AGAIN if self.attempts else WALKS)
        self.attempts += 1
        return Ended(self.lib.zap_explore_begin(number, self.words_max, persistent))

    def _go_on(self, transitions: int) -> Ended:
        return Ended(self.lib.zap_explore(transitions))

    def go_on(self, transitions: int) -> Ended:
        """Make so many transitions more, about; return how far that is."""
        ended = Ended.NOT_YET
        if not self._begun:
            self._begun = True
            ended = self._begin()
            ended = Ended.NOT_YET if ended == Ended.COMPLETE else ended
        if ended == Ended.NOT_YET:
            ended = self._go_on(transitions)
        if ended == Ended.GUESSED_WRONG:
            self.wasted += self.extent().transitions
            self._begun = False
            return Ended.NOT_YET
        if ended == Ended.FOUND:
            self.why = self._counts()["why"]
        return ended

    def kept(self) -> bytes:
        """Return all that a search in full has to know to go on in another process."""
        assert self.reduction == StateReduction.NONE and self.preemptions < 0, "only a search in full can be kept"
        words = (ctypes.c_int64 * self.lib.zap_kept_words())()
        self.lib.zap_keep(words)
        return bytes(words)

    def take_up(self, kept: bytes) -> bool:
        """Stand where another search of this space stood when it was kept; return whether that is
        so. If it is not, this one begins anew.
        """
        self.lib.zap_bound(-1)
        self.space.begin()
        words = (ctypes.c_int64 * (len(kept) // WORD)).from_buffer_copy(kept)
        self._begun = not self.lib.zap_take_up(words, len(words), self.words_max)
        self.attempts = int(self._begun)
        return self._begun

    def _counts(self) -> dict[str, int]:
        return dict(zip(_COUNTS, self.lib.zap_counts()[: len(_COUNTS)], strict=True))

    def extent(self) -> Extent:
        """Return what this attempt has done so far; before the first one, nothing."""
        found = self._counts() if self.attempts else dict.fromkeys(_COUNTS, 0)
        return Extent(**{field.name: found[field.name] for field in fields(Extent)})

    def share(self) -> float:
        """Return how much of the whole is done, as if the branches of a state were equal."""
        return float(self.lib.zap_share() / (1 << 20)) if self._begun else 0.0

    def way(self) -> list[Taken]:
        """Return the way to what was found; the last transition is the one that was given up."""
        words = (ctypes.c_int64 * ((_WAY_HEAD + DRAWN_MAX) * (self._counts()["where"] + 1)))()
        length, at, found = self.lib.zap_way(words), 0, list[tuple[int, int, list[int]]]()
        while at < length:
            slot, seq, nr = words[at : at + _WAY_HEAD]
            found.append((slot, seq, words[at + _WAY_HEAD : at + _WAY_HEAD + nr]))
            at += _WAY_HEAD + nr
        ends = [seq for _, seq, _ in found[1:]] + [self.lib.zap_bailed_seq()]
        return [
            Taken(slot, 0, seq, end, tuple((choice, 0) for choice in drawn))
            for (slot, seq, drawn), end in zip(found, ends, strict=True)
        ]


class Executions(Exploration):
    """Explores executions, of which one of each class is wanted: two of a class differ only in the
    order of transitions that do not conflict. No state is known again but on its own way, and the
    ends: ``states`` counts a state each time that it is come to.
    """

    def __init__(self, space: StateSpace, words_max: int) -> None:
        super().__init__(space, StateReduction.NONE, words_max)

    def _begin(self) -> Ended:
        self.lib.zap_bound(-1)
        self.space.begin()
        self.attempts += 1
        return Ended(self.lib.zap_races_begin(self.words_max))

    def _go_on(self, transitions: int) -> Ended:
        return Ended(self.lib.zap_races(transitions))


def missed_chance(states: int) -> float:
    """Return a bound on the chance that a state was taken for another one, if names are random."""
    return float(states * (states - 1) / 2 ** (WORD_BITS + 1))
