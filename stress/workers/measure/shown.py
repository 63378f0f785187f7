"""What a measured execution shows: its class, who has read from whom, and the states on its way."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sim.core.profile import SMALL
from stress.execution.runner import Runner
from stress.execution.signature import signature_of
from stress.execution.touches import touches_of
from stress.machine.chance import TapeData
from stress.machine.noted import NotedMachine
from stress.native.search.classes import NativeClasses, PythonClass
from stress.rng import mixed
from stress.strategies.replay import Replay
from stress.workers.distinct import HASH_BITS

if TYPE_CHECKING:
    import numpy as np

    from stress.execution.outcome import Outcome
    from stress.native.runner import NativeCase, Ran

    Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Shown:
    """What an execution has shown, by names of 64 bits, which are the same in every process."""

    name: int
    """Of its class."""
    reads_from: Sequence[int] | Array = ()
    states: Sequence[int] | Array = ()

    def hashes(self, case: int) -> Mapping[str, list[int]]:
        """Return by metric the hashes among those of all cases; ``case`` is the case's number."""
        every = {"classes": (self.name,), "reads_from": self.reads_from, "states": self.states}
        return {metric: _hashed(names, case) for metric, names in every.items() if len(names)}


def _hashed(names: Sequence[int] | Array, case: int) -> list[int]:
    import numpy

    hashed = mixed(numpy.array(names, dtype="<u8") + numpy.uint64(case)) >> numpy.uint64(64 - HASH_BITS)
    found: list[int] = numpy.unique(hashed).tolist()
    return found


def in_python(outcome: Outcome, noted: Runner) -> Shown:
    """Return what an execution shows that Python has made, which ``noted`` makes again."""
    reads_from = outcome.touches().reads_from()
    if outcome.verdict.kind != "clean":
        reason = signature_of(outcome) if outcome.verdict.violation else outcome.verdict.kind
        return Shown(class_of_failure(reason), reads_from)
    machine = noted.machine
    assert isinstance(machine, NotedMachine)
    found = PythonClass(machine)
    again = noted.run(Replay(outcome.finished.turns()), 0, TapeData(outcome.tapes))
    return Shown(found.name() if again.verdict.kind == "clean" else class_of_failure(again.verdict.kind), reads_from)


def in_c(native: NativeCase, ran: Ran, classes: NativeClasses) -> Shown:
    """Return what the execution shows that the native core has just made.

    States of the real geometry are not named: its worlds have thousands of step numbers.
    """
    name = class_in_c(native, ran, classes, states=native.runner.case.geometry == SMALL)
    return Shown(name, touches_of(*native.steps()).reads_from(), () if ran.why else classes.states())


def class_in_c(native: NativeCase, ran: Ran, classes: NativeClasses, states: bool = False) -> int:
    """Return the class of that execution; with ``states`` those on its way are named too."""
    found = classes.of_last(native, states) if not ran.why else None
    return class_of_failure(f"{ran.why} {ran.site}") if found is None else found


def class_of_failure(reason: str) -> int:
    """Return the class of executions that do not end clean, for this reason: all are of one."""
    return int.from_bytes(hashlib.blake2b(reason.encode(), digest_size=8).digest(), "little")
