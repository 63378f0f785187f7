"""Why an execution failed, as plain data and in words: what was to come before what, from where on
there was no way back, and what actors took for true that was so no more.

Steps are numbered from 1, as the page numbers them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import msgspec

from sim.core import pte
from sim.core.step import READ
from stress.execution.steps import words
from stress.trace.relations import WRITING

if TYPE_CHECKING:
    from stress.execution.steps import Step

SHRUNK, EXPLANATION = "shrunk", "explanation.json"
"""What the trace of a failure's smallest form is called in the failure's folder, and why it fails.
"""

BELIEFS_MAX = 4
"""Beliefs that an explanation has, those nearest to the failure."""

_CHANGE = re.compile(r"(\S+) ([-+])(\S+)")


@dataclass(frozen=True)
class Moment:
    """A step, in words."""

    step: int
    actor: str
    function: str
    label: str
    text: str
    """What it did there."""

    @property
    def who(self) -> str:
        """The actor without its CPU."""
        return self.actor.partition(" ")[2] or self.actor

    @property
    def does(self) -> str:
        """What it does, as a predicate, with the kernel function."""
        return f"{predicate(self.label)} ({self.function})"


@dataclass(frozen=True)
class Ordering:
    """One step comes before another, and without that the failure goes away.

    ``ends`` is how the execution ends in which the second comes first: ``clean``, or the signature
    of another failure, or ``inconclusive``. ``schedule`` is that execution's.
    """

    before: Moment
    after: Moment
    ends: str
    schedule: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Belief:
    """What an actor read last of a location, or a TLB's cell has of it, and what another has made
    of it since. ``read_at`` is 0 if that was in the setup.
    """

    actor: str
    location: str
    believed: str
    read_at: int
    true: str
    written_at: int
    writer: str


@dataclass(frozen=True)
class Explanation:
    """Why an execution failed.

    ``chances`` has, after each number of steps from none on, the share of ``continuations`` at
    random that failed alike; it is empty if none were made. ``complete`` says that the time
    sufficed to look for all orderings. ``interleaving`` has the steps that the page shows.
    """

    sentence: str
    orderings: tuple[Ordering, ...]
    chances: tuple[float, ...]
    continuations: int
    beliefs: tuple[Belief, ...]
    complete: bool = True
    interleaving: tuple[Moment, ...] = ()

    @property
    def no_return(self) -> int | None:
        """After how many steps every continuation failed, and after each more; None if never."""
        found = None
        for step in range(len(self.chances) - 1, -1, -1):
            if self.chances[step] < 1:
                break
            found = step
        return found

    def plain(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self) | {"no_return": self.no_return}


def steps_of(found: Explanation | None) -> frozenset[int]:
    """Return the steps that a failure hangs on, of which some may come after its end."""
    orderings = found.orderings if found is not None else ()
    return frozenset(moment.step for one in orderings for moment in (one.before, one.after))


def explanation_of(plain: Any) -> Explanation:
    """Return the explanation that is plain data. Raises msgspec.ValidationError."""
    return msgspec.convert(plain, Explanation)


def moment(step: Step) -> Moment:
    """Return a step in words."""
    return Moment(step.number, step.actor, step.site.function, step.site.label, step.effect())


def predicate(label: str) -> str:
    """Return a site's label in the third person: ``clear pte`` as ``clears pte``."""
    if change := _CHANGE.fullmatch(label):
        return f"{'lowers' if change[2] == '-' else 'raises'} {change[1]}"
    verb, space, rest = label.partition(" ")
    if "_" in verb or verb in ("pmd", "no", "next"):
        return f"is at '{label}'"
    ending = "es" if verb.endswith(("ch", "sh", "s", "x")) else "s"
    if verb.endswith("y"):
        verb, ending = verb[:-1], "ies"
    return f"{verb}{ending}{space}{rest}"


def sentence(orderings: Sequence[Ordering], last: Moment, message: str, complete: bool = True) -> str:
    """Return the failure in a sentence; ``last`` is the step at which a rule was broken, as
    ``message`` says.
    """
    if not orderings and not complete:
        return f"{last.who} {last.does}: {message}. The time was up before it was known what that hangs on."
    if not orderings:
        return f"{last.who} does it by itself, in no particular order of steps: {message}."
    first, final = orderings[0], orderings[-1]
    if len(orderings) > 1 and final.before.actor == first.after.actor:
        late = "it" if final.after.actor == first.before.actor else final.after.who
        return (
            f"{first.before.who} {first.before.does} before {late} {final.after.does},"
            f" and {first.after.who} {first.after.does} in between."
        )
    parts = [f"{one.before.who} {one.before.does} before {one.after.who} {one.after.does}" for one in orderings]
    return f"{', and '.join(parts)}."


def beliefs(made: Sequence[Step], locations: Iterable[tuple[str, int, int]]) -> tuple[Belief, ...]:
    """Return what was taken for true and had been changed by others since: entries in TLBs, of a
    failure's ``locations`` (column, index, value), and what actors had read last, the latest change
    first.
    """
    cached = [found for location in locations if (found := in_tlb(made, *location)) is not None]
    return (*cached, *stale_reads(made))[:BELIEFS_MAX]


def in_tlb(made: Sequence[Step], column: str, index: int, entry: int) -> Belief | None:
    """Return what a cell of a TLB holds though the page table has it no more; None if it is no such
    cell.
    """
    if column != "tlb" or not entry:
        return None
    fills = [step.number for step in made if step.column == column and step.index == index and step.kind in WRITING]
    for step in reversed(made):
        if step.column == "pte" and step.old & pte.PRESENT and pte.pte_pfn(step.old) == pte.pte_pfn(entry):
            if step.kind not in WRITING or step.old == step.new:
                continue
            before, now = words(column, entry), words("pte", step.new)
            return Belief(f"tlb[{index}]", step.place, before, max(fills, default=0), now, step.number, step.actor)
    return None


def stale_reads(made: Iterable[Step]) -> list[Belief]:
    """Return what actors had read last of locations that others have changed since."""
    read: dict[tuple[int, str], tuple[Step, str]] = {}
    stale: dict[tuple[int, str], Belief] = {}
    for step in made:
        mine = step.slot, step.place
        if step.kind == READ:
            read[mine] = step, words(step.column, step.new)
            stale.pop(mine, None)
        elif step.kind in WRITING:
            read.pop(mine, None)
            now = words(step.column, step.new)
            for key, (seen, value) in read.items():
                if key[1] == step.place and key[0] != step.slot and value != now:
                    stale[key] = Belief(seen.actor, step.place, value, seen.number, now, step.number, step.actor)
    return sorted(stale.values(), key=lambda belief: -belief.written_at)


def lines(found: Explanation, steps: int) -> list[tuple[str, str]]:
    """Return the lines of the page of a failure of so many steps, each with the word that stands
    before it.
    """
    made = [("why", found.sentence)]
    for one in found.orderings:
        ends = "is clean" if one.ends == "clean" else f"ends otherwise ({one.ends})"
        made.append(
            (
                "order",
                f"step {one.before.step}, {one.before.who} {one.before.does}, before {later(one.after, steps)};"
                f" the other way round it {ends}",
            )
        )
    made += [
        (
            "belief",
            f"{one.actor} takes {one.location} for {one.believed}, {read_at(one)}; since step {one.written_at},"
            f" of {one.writer}, it is {one.true}",
        )
        for one in found.beliefs
    ]
    return made + ([("chance", chance_line(found))] if found.chances else [])


def later(moment: Moment, steps: int) -> str:
    """Return a step that comes after another one: it may have been still to come when a failure of
    so many steps had ended.
    """
    words = f"{moment.who} {moment.does}"
    return f"step {moment.step}, {words}" if moment.step <= steps else f"{words}, which was still to come"


def read_at(belief: Belief) -> str:
    """Return since when an actor believes what it does."""
    return f"as of step {belief.read_at}" if belief.read_at else "as of the setup"


def chance_line(found: Explanation) -> str:
    """Return from where on the failure was bound to come."""
    chances, every = found.chances, f"of {found.continuations} continuations at random"
    rises = [(after - before, step) for step, (before, after) in enumerate(pairwise(chances), 1)]
    rise, step = max(rises, default=(0.0, 0), key=lambda one: (one[0], -one[1]))
    text = f"{chances[0]:.0%} at the start ({every})"
    if rise > 0:
        text += f"; the largest rise is step {step}'s, from {chances[step - 1]:.0%} to {chances[step]:.0%}"
    if found.no_return is not None:
        text += f"; all fail after step {found.no_return}" if found.no_return else "; all fail from the start"
    return text
