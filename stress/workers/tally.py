"""What a worker counts about its executions, between one message to the supervisor and the next."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from time import perf_counter
from typing import TYPE_CHECKING, Any

from sim.core.machine import SITES
from sim.core.step import site_of
from stress.campaign.store import TOGETHER
from stress.execution.outcome import site_checksums
from stress.execution.signature import signature_of
from stress.trace.evidence import evidence
from stress.trace.file import Trace, capture
from stress.workers.distinct import HASH_BITS, Sketch

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.execution.runner import Outcome, Runner
    from stress.parallel.recording import Recording

CONFLICTS_EVERY = 32
"""One execution in so many is searched for sites that met, besides the first of each lease."""

_GOLDEN, _MASK = 0x9E3779B97F4A7C15, (1 << 64) - 1


def twinned(seed: int, case: int, every: int) -> bool:
    """Return whether the execution is one of the share, 1 / ``every``, that is run twice; 0 is
    none.
    """
    return every > 0 and ((seed + case) * _GOLDEN & _MASK) >> 40 & 0xFFFFFF < (1 << 24) // every


def twin_digest(outcome: Outcome) -> str:
    """Return what must be equal when an execution is run again: steps, verdict and final state."""
    return f"{outcome.verdict.kind} {outcome.digest()} {outcome.model_hash()}"


def schedule_value(case: int, tape: list[int]) -> int:
    """Return the hash of a schedule of a case, for a sketch."""
    digest = hashlib.blake2b(array("q", [case, *tape]).tobytes(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> (64 - HASH_BITS)


class Tally:
    """The counts of one lease since the last message."""

    def __init__(self, order: dict[str, Any], runner: Runner, traced: set[str]) -> None:
        self.order, self.runner, self.traced = order, runner, traced
        self.sketch = Sketch()
        self.sampled = 0
        self.reset(perf_counter())
        self.codes += runner.setup_steps
        runner.setup_steps.clear()

    def reset(self, now: float) -> None:
        """Begin to count anew; the sketch stays, so that a schedule is sent once."""
        self.began = now
        self.executions = self.steps = self.inconclusive = 0
        self.codes: list[int] = []
        """Of every step, to be counted at once: a call of numpy costs as much as thirty steps."""
        self.conflicts: Counter[int] = Counter()
        self.schedules: list[int] = []
        self.failures: dict[str, dict[str, Any]] = {}
        self.overlaps: Counter[tuple[str, str]] = Counter()
        """Which operations overlapped."""
        self.twins: list[dict[str, Any]] = []
        self.deaths: list[list[int]] = []
        """Processes of the parallel machine that died: (pid, exit status, seed)."""
        self.together = dict.fromkeys(TOGETHER, 0)
        """Of the parallel machine."""
        self.fresh: list[tuple[dict[str, Any], Trace, str]] = []
        """Failures of a new signature: their evidence is wanted before the message is sent."""

    def add(self, outcome: Outcome, seed: int, learned: dict[str, int] | None) -> None:
        """Count an execution; ``learned``, if it is to have a twin, is what its strategy knew
        before it.
        """
        self.executions += 1
        self.steps += outcome.steps
        self.codes += self.runner.machine.log[::2]
        self.overlaps.update(outcome.overlaps())
        schedule = schedule_value(self.order["number"], self.runner.machine.tape)
        if self.sketch.add(schedule):
            self.schedules.append(schedule)
        if self.sampled % CONFLICTS_EVERY == 0:
            self.conflicts.update(outcome.conflicts().tolist())
        self.sampled += 1
        if outcome.verdict.kind == "inconclusive":
            self.inconclusive += 1
        elif outcome.verdict.kind == "violation":
            self.fail(outcome, seed)
        if learned is not None:
            self.twins.append({"seed": seed, "learned": learned, "digest": twin_digest(outcome)})

    def parallel(self, recording: Recording, seed: int) -> None:
        """Count what is the parallel machine's own of a run; the replay of what it recorded is
        counted as any execution.
        """
        counts = (1, len(recording.codes), recording.switches(), recording.pauses)
        for name, count in zip(self.together, counts, strict=True):
            self.together[name] += count
        self.deaths += [[pid, status, seed] for pid, status in recording.killed]

    def fail(self, outcome: Outcome, seed: int) -> None:
        """Count a failure; the first of each signature is traced, to be sent whole."""
        name, violation = signature_of(outcome), outcome.verdict.violation
        assert violation is not None
        failure = self.failures.get(name)
        if failure is None:
            failure = self.failures[name] = {
                "signature": name,
                "checker": violation.checker,
                "title": violation.title,
                "seed": seed,
                "count": 0,
            }
        failure["count"] += 1
        if name not in self.traced:
            self.traced.add(name)
            self.fresh.append((failure, capture(outcome, self.order["strategy"]), outcome.symptom))

    async def complete(self, catalogue: Catalogue) -> None:
        """Add the evidence of the signatures that are new."""
        for failure, trace, symptom in self.fresh:
            failure |= await evidence(trace, f"{self.order['dir']}/failures/{failure['signature']}/trace", catalogue)
            if symptom:
                failure["environment"]["symptom"] = symptom

    def visits(self) -> dict[str, int]:
        """Return how often each site was visited."""
        import numpy

        counts = numpy.bincount(site_of(numpy.array(self.codes, dtype="<i8"))).tolist()
        return {SITES[number].name: count for number, count in enumerate(counts) if count}

    def message(self, now: float) -> dict[str, Any]:
        """Return the message, and begin to count anew."""
        names = dict(zip(site_checksums(), (info.name for info in SITES), strict=True))
        message = {
            "is": "batch",
            "lease": self.order["lease"],
            "executions": self.executions,
            "steps": self.steps,
            "inconclusive": self.inconclusive,
            "busy_s": now - self.began,
            "visits": self.visits(),
            "pairs": [[first, second, count] for (first, second), count in self.overlaps.items()],
            "conflicts": [
                [names[pair >> 32], names[pair & 0xFFFFFFFF], count] for pair, count in self.conflicts.items()
            ],
            "schedules": self.schedules,
            "failures": list(self.failures.values()),
            "twins": self.twins,
            "deaths": self.deaths,
            "together": self.together,
        }
        self.reset(now)
        return message
