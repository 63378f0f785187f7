"""Whether a native execution is what the Python machine makes of the same seed, or of the same
tapes.

By the seed everything is compared: the steps' codes and values, the schedule, the data tapes,
whether it was clean, how often a patch's overrides ran, and every word of the arena, model and
machine region. By its tapes an execution is made again that was given up, and its steps up to
there are compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sim.core.arena import WORD
from sim.core.machine import site_info
from stress.execution.outcome import Outcome
from stress.execution.runner import Runner
from stress.machine.chance import RandomData, TapeData
from stress.native.runner import NativeCase, Ran
from stress.strategies import UNBOUNDED, Strategy
from stress.strategies.prefix import Prefix
from stress.strategies.replay import Replay


@dataclass(frozen=True)
class Made:
    """What one machine made of a seed."""

    clean: bool
    log: list[int]
    turns: list[int]
    tapes: dict[int, list[int]]
    changed: dict[int, int]
    """The words of the arena that are not as they were at the beginning, by their numbers. They are
    few, and the largest arena has 30 MiB.
    """
    runs: dict[str, int]
    """How often each override of the patch has run."""


def by_python(runner: Runner, strategy: Strategy, seed: int) -> tuple[Made, Outcome]:
    """Execute a seed in Python, its audit included."""
    before = runner.override_runs()
    outcome = runner.run(strategy, seed, RandomData(seed))
    machine, clean = runner.machine, outcome.verdict.kind == "clean"
    runs = {name: runs - before[name] for name, runs in runner.override_runs().items()}
    log, tape = list(machine.log), list(machine.tape)
    return Made(clean, log, tape, outcome.tapes, changed_words(runner), runs), outcome


def by_native(case: NativeCase, strategy: Strategy, seed: int) -> tuple[Made, Ran]:
    """Execute a seed natively, its audit included; nothing of it stays counted."""
    ran = case.run(strategy, seed)
    runs, changed = case.take_counts().runs, changed_words(case.runner)
    return Made(ran.why == 0, case.log(), case.turns(), case.tapes(), changed, runs), ran


def changed_words(runner: Runner) -> dict[int, int]:
    """Return the words of a case's arena that are not as they were at the beginning of an
    execution, by their numbers.
    """
    import numpy

    now, start = (numpy.frombuffer(words, numpy.int64) for words in (runner.arena.block, runner.snapshot))
    (at,) = numpy.nonzero(now != start)
    return dict(zip(at.tolist(), now[at].tolist(), strict=True))


class _Drawn(TapeData):
    """Draws what a native execution has drawn; ``differs`` says, in words, where first another
    number of choices is asked for than was there.
    """

    def __init__(self, drawn: Mapping[int, Sequence[tuple[int, int]]]) -> None:
        super().__init__({slot: [choice for _, choice in draws] for slot, draws in drawn.items()})
        self.drawn, self.differs = drawn, ""

    def draw(self, slot: int, label: str, n: int) -> int:
        at, known = len(self.tapes.get(slot, ())), self.drawn.get(slot, ())
        if at < len(known) and known[at][0] != n and not self.differs:
            self.differs = f"draw {at + 1} of actor {slot} ({label}) is of {n} choices, and was of {known[at][0]}"
        return super().draw(slot, label, n)


def along_tapes(case: NativeCase, seed: int) -> tuple[Outcome, str]:
    """Make the last native execution of ``case`` again in Python, along its schedule and what it
    drew, up to where it was given up; from there on the running actor goes on, and draws 0. Return
    the outcome, and in words what differs up to there, or "".

    Its seed may not lead there: a strategy can have learned since, or a program been altered.
    """
    log, runs, data = case.log(), case.schedule(), _Drawn(case.drawn())
    last = [(slot, UNBOUNDED) for slot, _ in runs[-1:]]
    way = Replay(runs, tolerant=True, then=Prefix(last))
    outcome = case.runner.run(way, seed, data)
    if way.diverged >= 0:
        return outcome, f"after {way.diverged} steps Python cannot go on with the actor that went on natively"
    python = case.runner.machine.log
    length = min(len(python), len(log))
    return outcome, data.differs or _first_step(python[:length], log[:length])


def difference(case: NativeCase, python: Made, native: Made, ran: Ran) -> str:
    """Return in words what differs first between two executions of a seed, or "".

    Of an execution that is not clean, or that met a limit of the native core, only the verdict is
    compared, and the steps up to where the native one was given up: nothing else of it is used.
    """
    if python.clean != native.clean and not case.is_limit(ran.why):
        return f"Python says {'clean' if python.clean else 'not clean'}, and the native core: {case.reason(ran.why)}"
    if not (python.clean and native.clean):
        length = min(len(python.log), len(native.log))
        return _first_step(python.log[:length], native.log[:length])
    for what in ("turns", "tapes"):
        if getattr(python, what) != getattr(native, what):
            return f"the {what} differ: {getattr(python, what)} and {getattr(native, what)}"
    for name, runs in native.runs.items():
        if runs != python.runs[name]:
            return f"the runs of {name} differ: {python.runs[name]} and {runs}"
    return _first_step(python.log, native.log) or _first_word(case.runner, python, native)


def both_ways(case: NativeCase, strategies: tuple[Strategy, Strategy], seed: int) -> str:
    """Execute a seed both ways, each with its strategy of the pair; return in words what differs
    first, or "".
    """
    python, _ = by_python(case.runner, strategies[0], seed)
    words = difference(case, python, *by_native(case, strategies[1], seed))
    strategies[1].recall(strategies[0].learned())
    return words


def _first_step(python: list[int], native: list[int]) -> str:
    if python == native:
        return ""
    at = next(
        (k for k, (a, b) in enumerate(zip(python, native, strict=False)) if a != b), min(len(python), len(native))
    )
    return f"step {at // 2 + 1} differs: {_step(python, at)} and {_step(native, at)}"


def _step(log: list[int], at: int) -> str:
    if at >= len(log):
        return "none"
    code, value = log[at & ~1], log[at | 1]
    return f"{site_info(code).name} ({code:#x}, {value})"


def _first_word(runner: Runner, python: Made, native: Made) -> str:
    """Return the first word of the arena that differs, by its column."""
    differing = python.changed.items() ^ native.changed.items()
    if not differing:
        return ""
    at = min(at for at, _ in differing)
    layout, start = runner.arena.layout, memoryview(runner.snapshot).cast("q")
    field = next(f for f in layout.fields if 0 <= at - layout.offsets[f.name] // WORD < f.count)
    a, b = (made.changed.get(at, start[at]) for made in (python, native))
    return f"{field.name}[{at - layout.offsets[field.name] // WORD}] differs: {a} and {b}"
