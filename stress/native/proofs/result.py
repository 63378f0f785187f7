"""What came of a case that was to be proved."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from stress.case import Case
from stress.errors import CLEAN, FAILED, INCONCLUSIVE, VIOLATED

PROVED, VIOLATED_KIND, UNFINISHED, NOT_REACHED, DIFFERS = "proved", "violated", "unfinished", "not_reached", "differs"
LISTS = (PROVED, VIOLATED_KIND, UNFINISHED, NOT_REACHED)


@dataclass(frozen=True)
class Answer:
    """What came of one case. ``classes`` are the different ends of its executions: a lower bound on
    how many of them are not equivalent. ``certificate`` is the file of the proof, or the trace of
    the violation, if there is one; ``words`` say what there is to say.
    """

    case: Case
    kind: str
    words: str = ""
    states: int = 0
    transitions: int = 0
    classes: int = 0
    seconds: float = 0.0
    certificate: str = ""
    known: bool = False
    """Whether it was proved before, and the certificate still holds."""
    time_was_up: bool = False
    """Whether it is unfinished for want of time."""
    override_runs: dict[str, int] = field(default_factory=dict)
    """For what is proved: how often each override of the patch ran in its space."""
    preemptions: int = -1
    """For what is unfinished: nothing is violated with at most so many preemptions; -1 if that is
    not known for any number.
    """

    def plain(self) -> dict[str, Any]:
        """Return it as data, for another process."""
        return asdict(self)

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Answer:
        """Return what :meth:`plain` gave."""
        return cls(**(plain | {"case": Case.of(plain["case"])}))

    def entry(self) -> dict[str, Any]:
        """Return the entry of ``--json``."""
        case = self.case
        return {
            "scenario": case.scenario,
            "parameters": dict(case.params),
            "profile": case.profile,
            "kernel": case.kernel,
            "states": self.states,
            "transitions": self.transitions,
            "classes": self.classes,
            "seconds": round(self.seconds, 3),
            "certificate": self.certificate or None,
            "preemptions": self.preemptions if self.preemptions >= 0 else None,
        }


def status_of(results: list[Answer]) -> int:
    """Return the exit status: 0 only if everything that was asked for is proved."""
    kinds = {result.kind for result in results}
    if DIFFERS in kinds:
        return FAILED
    if VIOLATED_KIND in kinds:
        return VIOLATED
    return CLEAN if kinds == {PROVED} else INCONCLUSIVE
