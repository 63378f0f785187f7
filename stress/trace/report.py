"""The page that shows a failure: the interleaving in columns, the state, the rule, and the command
that replays it.

It is made from a re-run of the trace, so that nothing but the trace need be kept. It ends at the
violation and fits a screen: of a long execution it shows the last steps, and before them those that
touch the violation's locations.
"""

from __future__ import annotations

import textwrap
from collections import deque
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from sim.core.step import TLB_SHIFT
from stress.execution.steps import Step, steps, words
from stress.patch.typed import TYPED_THERE
from stress.trace import explanation

if TYPE_CHECKING:
    from sim.core.machine import Violation
    from stress.patch.typed import Typed
    from stress.trace.explanation import Explanation
    from stress.trace.record import Trace
    from stress.trace.replay import Replayed

TAIL_STEPS_MAX = 24
"""Steps shown up to the violation."""

TOUCHING_STEPS_MAX = 8
"""Earlier steps shown because they touch a location of the violation."""

PAGE_COLUMNS, PAGE_COLUMNS_MIN = 118, 40
INDENT_MAX = 52
TEXT_COLUMNS = 46
"""Room for the text of a step in the last column. In any other column a text may run on below the
columns to its right, as a line holds one step.
"""

_NUMBER_COLUMNS = 7


def page(
    replayed: Replayed,
    typed: Typed | None,
    columns: int | None = None,
    explained: Explanation | None = None,
    unkept: str = "the same command again; --save FILE keeps a trace",
) -> str:
    """Return the failure page, at most ``columns`` wide, with why it fails if it is ``explained``.

    ``typed`` names the trace's file, for the command that replays it; None if the trace is in none:
    ``unkept`` says how to have it in one.
    """
    trace, width = replayed.trace, max(PAGE_COLUMNS_MIN, min(PAGE_COLUMNS, columns or PAGE_COLUMNS))
    lines = [headline(trace), *_summary(trace), "", *_columns(replayed, width), "", *_explanation(replayed, width)]
    lines += [
        _item(name, text, width) for name, text in (explanation.lines(explained, trace.steps) if explained else ())
    ]
    lines.append(f"  {'replay':<8}" + (f"zapstress replay {typed.file}{typed.more}" if typed else unkept))
    lines += [f"  {'':<8}{TYPED_THERE}"] if typed is not None and typed.there else []
    return "\n".join(lines) + "\n"


def headline(trace: Trace) -> str:
    """Return the title: what is wrong, in which function, and which function relied on it being
    right.
    """
    ending = trace.ending
    if ending.kind != "violation":
        return f"{ending.kind}: {ending.reason or 'no violation'}" if ending.kind != "clean" else "clean: no violation"
    functions = [site.partition(":")[0] for site in (ending.accused, ending.victim) if site]
    return f"BUG: {ending.title} in {' / '.join(functions) or 'no known function'}"


def _summary(trace: Trace) -> Iterator[str]:
    case, ending = trace.case, trace.ending
    facts = [f"signature {ending.signature}", f"checker {ending.checker}"] if ending.signature else []
    facts += [f"scenario {case.scenario}", f"profile {case.profile}", f"kernel {case.kernel}"]
    yield "  " + "   ".join(facts)
    more = [f"{name} {value}" for name, value in case.params] + (
        [f"faults {', '.join(case.faults)}"] if case.faults else []
    )
    more += [f"patch {', '.join(case.patch)} ({trace.patch.digest})"] if case.patch else []
    more += [f"geometry {case.geometry}"] if case.geometry != "small" else []
    if more:
        yield "  " + "   ".join(more)
    where = "in the setup; " if trace.setup else ""
    made = f"{_count(trace.steps, 'step')}, {_count(trace.switches, 'switch', 'switches')}"
    yield f"  {where}seed {trace.seed:#x}, strategy {trace.strategy}; {made}"


def _columns(replayed: Replayed, width: int) -> Iterator[str]:
    """Yield the interleaving: one column per actor that appears, one line per step."""
    finished = replayed.outcome.finished
    shown = selection(steps(finished), replayed.outcome.verdict.violation)
    slots = sorted({step.slot for step in shown})
    if not slots:
        yield "      (no step was made)"
        return
    text = min(TEXT_COLUMNS, width // 2)
    indent = max(1, min(INDENT_MAX, (width - _NUMBER_COLUMNS - text) // max(1, len(slots) - 1)))
    yield (
        " " * _NUMBER_COLUMNS + "".join(finished.actor_name(slot)[: indent - 1].ljust(indent) for slot in slots)
    ).rstrip()
    last = 0
    for step in shown:
        if step.number > last + 1:
            yield f"{'...':>{_NUMBER_COLUMNS - 2}}  ({_count(step.number - last - 1, 'step')})"
        yield from _lines(step, slots.index(step.slot) * indent, width)
        last = step.number
    if replayed.outcome.verdict.kind in ("violation", "error"):
        yield " " * (_NUMBER_COLUMNS + indent * slots.index(shown[-1].slot)) + "^ here"


def selection(made: Iterable[Step], violation: Violation | None) -> list[Step]:
    """Return the steps to be shown."""
    places = [place[:2] for place in violation.locations] if violation is not None else []
    codes = {code for code in (violation.accused, violation.victim) if code} if violation is not None else set()
    tail: deque[Step] = deque(maxlen=TAIL_STEPS_MAX)
    touching: deque[Step] = deque(maxlen=TOUCHING_STEPS_MAX)
    for step in made:
        earlier = tail[0] if len(tail) == TAIL_STEPS_MAX else None
        if earlier and (earlier.code in codes or any(earlier.touches(*place) for place in places)):
            touching.append(earlier)
        tail.append(step)
    return [*touching, *tail]


def _count(number: int, noun: str, plural: str = "") -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {plural or noun + 's'}"


def _lines(step: Step, offset: int, width: int) -> Iterator[str]:
    text = f"{step.site.label}: {step.effect()}"
    number = f"{step.number:>{_NUMBER_COLUMNS - 2}}  "
    for line in textwrap.wrap(text, width - _NUMBER_COLUMNS - offset, subsequent_indent="  "):
        yield number + " " * offset + line
        number = " " * _NUMBER_COLUMNS


def _explanation(replayed: Replayed, width: int) -> Iterator[str]:
    violation = replayed.outcome.verdict.violation
    if violation is None:
        return
    yield _item("what", violation.message, width)
    state = state_words(replayed, violation)
    if state:
        yield _item("state", state, width)
    yield _item("rule", violation.rule or f"{violation.checker} {violation.title}", width)


def state_words(replayed: Replayed, violation: Violation) -> str:
    """Return what the violation's locations hold at its end."""
    columns = replayed.outcome.finished.arena.columns
    return "; ".join(
        f"{name}[{index}] = {words(name, columns[name].view[index])}"
        for name, index, *_ in violation.locations
        if name in columns
    )


def _item(name: str, text: str, width: int) -> str:
    wrapped = textwrap.wrap(text, width - 10, break_long_words=False, break_on_hyphens=False) or [""]
    return "\n".join(f"  {name if n == 0 else '':<8}{line}" for n, line in enumerate(wrapped))


def listing(replayed: Replayed) -> Iterator[str]:
    """Yield every step on a line of its own: number, actor, kernel function, what it does there,
    location and value.
    """
    finished = replayed.outcome.finished
    names = [finished.actor_name(slot) for slot in finished.machine.actors]
    actors = max(map(len, names))
    for step in steps(finished):
        yield f"{step.number:>6}  {step.actor:<{actors}}  {step.site.name:<48}  {step.effect()}"


def step_data(replayed: Replayed) -> list[dict[str, Any]]:
    """Return every step as plain data."""
    return [
        {
            "step": step.number,
            "actor": step.actor,
            "function": step.site.function,
            "label": step.site.label,
            "location": step.place,
            "value": step.value & ((1 << TLB_SHIFT) - 1) if step.tlb else step.value,
            "text": step.effect(),
        }
        for step in steps(replayed.outcome.finished)
    ]
