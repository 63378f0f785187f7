"""The recording of a run of the parallel machine, and its replay in lockstep.

The recorded order is a schedule: the replay makes the same steps, with the same values, and leaves
the same model region. The replay runs under every checker and gives a failure its signature. What
the parallel run itself showed to be wrong is its symptom.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sim.core.machine import Violation, site_info
from stress.errors import Divergence
from stress.execution.outcome import digest_of, rows_of
from stress.machine.chance import TapeData
from stress.machine.protocols import Verdict
from stress.strategies.replay import Replay

if TYPE_CHECKING:
    import numpy as np

    from stress.execution.outcome import Outcome
    from stress.execution.runner import Runner

    Array = np.ndarray[Any, np.dtype[Any]]

OVER = "over"
"""How a run ends that came to its end. Any other ending is the reason why the run was given up."""

RULE = "a recorded run, replayed in lockstep, makes the same steps and leaves the same state (law L3)"


@dataclass
class Recording:
    """One run. ``codes``, ``values`` and ``slots`` are those of its steps, in their order, up to
    the first that was not recorded whole (int64).
    """

    ended: str
    codes: Array
    values: Array
    slots: Array
    tapes: dict[int, list[int]]
    model: bytes
    """The model region as the run left it."""
    owners: list[int]
    """The process of each CPU."""
    symptom: str = ""
    """What the run itself showed to be wrong, or ``""``: a count below zero, an audit that failed,
    a deadlock, what a process raised.
    """
    steps: int = 0
    """Steps made, recorded or not."""
    pauses: int = 0
    """How often all actors stood still and the arena was audited, the end included."""
    seconds: float = 0.0
    killed: list[tuple[int, int]] = field(default_factory=list)
    """(pid, exit status) of processes that died in it."""

    def schedule(self) -> list[tuple[int, int]]:
        """Return the recorded order as runs: (slot, steps)."""
        import numpy

        if not len(self.slots):
            return []
        ends = [*numpy.flatnonzero(numpy.diff(self.slots)).tolist(), len(self.slots) - 1]
        counts = [end - start for start, end in zip([-1, *ends], ends, strict=False)]
        return [(int(self.slots[end]), count) for end, count in zip(ends, counts, strict=True)]

    def switches(self) -> int:
        """Return how often the next step was another process's."""
        import numpy

        cpus = len(self.owners)
        owner = numpy.array([*self.owners, *self.owners, self.owners[-1]], dtype="<i8")
        return int(numpy.count_nonzero(numpy.diff(owner[numpy.minimum(self.slots, 2 * cpus)])))

    def digest(self, runner: Runner) -> str:
        """Return the digest of the steps, as an outcome's."""
        return digest_of(rows_of(runner.arena.layout, self.codes, self.values, self.slots))


def replayed(recording: Recording, runner: Runner, seed: int) -> Outcome:
    """Replay in lockstep, on the runner of the case, and return the outcome, whose verdict is on
    the recorded run.

    A violation is the lockstep checkers'. A clean replay of a run that came to its end must have
    made the same steps and left the same state; one of a run that saw a symptom must not be clean.
    Else the verdict is a violation of the machine's own.
    """
    outcome = _judged(recording, runner, seed)
    outcome.symptom = recording.symptom
    return outcome


def _judged(recording: Recording, runner: Runner, seed: int) -> Outcome:
    strategy = Replay(recording.schedule() + stepless(recording, runner))
    try:
        outcome = runner.run(strategy, seed, TapeData(recording.tapes))
    except Divergence as error:
        outcome = runner.outcome(seed)
        if recording.ended != OVER and not recording.symptom and not _difference(recording, outcome):
            outcome.verdict = Verdict(
                "inconclusive", reason=f"the run was given up ({recording.ended}) after {outcome.steps} steps"
            )
            return outcome
        return _condemn(outcome, _difference(recording, outcome) or f"the replay could not follow: {error}", recording)
    if outcome.verdict.kind == "clean":
        difference = _difference(recording, outcome) or _state(recording, runner)
        if difference or recording.symptom:
            return _condemn(outcome, difference or "the replay is clean", recording)
    return outcome


def stepless(recording: Recording, runner: Runner) -> list[tuple[int, int]]:
    """Return runs of no steps for the threads that came to their end, or to a wait, without making
    a step: the replay must begin them all the same.
    """
    if recording.ended not in (OVER, "deadlock"):
        return []
    made = set(recording.slots.tolist())
    return [(actor.slot, 0) for actor in runner.actors if not actor.daemon and actor.slot not in made]


def _condemn(outcome: Outcome, what: str, recording: Recording) -> Outcome:
    """Make the verdict that recording and replay disagree."""
    words = f"{what}; the parallel run saw: {recording.symptom}" if recording.symptom else what
    at = min(outcome.steps, len(recording.codes)) - 1
    accused = int(recording.codes[at]) if at >= 0 else 0
    violation = Violation("parallel", "replay-differs", words, accused, 0, rule=RULE)
    outcome.finished.machine.verdict = outcome.verdict = Verdict("violation", violation, str(violation))
    return outcome


def _difference(recording: Recording, outcome: Outcome) -> str:
    """Return in words where the replay's steps first differ from the recorded ones, or ``""``."""
    import numpy

    log = numpy.array(outcome.finished.machine.log, dtype="<i8").reshape(-1, 2)
    n = min(len(log), len(recording.codes))
    differs = numpy.flatnonzero((log[:n, 0] != recording.codes[:n]) | (log[:n, 1] != recording.values[:n]))
    if len(differs):
        at = int(differs[0])
        here, there = log[at].tolist(), (int(recording.codes[at]), int(recording.values[at]))
        return (
            f"step {at + 1} was {site_info(there[0]).name}, value {there[1]}, "
            f"and is {site_info(here[0]).name}, value {here[1]}, in the replay"
        )
    return (
        ""
        if len(log) == len(recording.codes)
        else f"{len(recording.codes)} steps were recorded, and the replay made {len(log)}"
    )


def _state(recording: Recording, runner: Runner) -> str:
    """Return in words where the model region that the replay leaves differs from the recorded one,
    or ``""``.
    """
    layout, now = runner.arena.layout, runner.arena.block[: runner.arena.layout.model_bytes]
    if now == recording.model:
        return ""
    at = next(i for i in range(0, len(now), 8) if now[i : i + 8] != recording.model[i : i + 8])
    name = max((offset, name) for name, offset in layout.offsets.items() if offset <= at)[1]
    return f"all steps are as recorded, but {name}[{(at - layout.offsets[name]) // 8}] differs"
