"""What is counted of executions: each metric is declared here, once.

A declaration gives a metric's name, what it means, how it is measured, how two measurements merge,
and whether ``--json`` shows it. Workers measure what is declared (:mod:`stress.workers.tally`),
answers carry it, the store adds it up, the summary shows it. So a new metric is one entry of
METRICS, and one row in docs/file-formats.md, which a test compares with the declaration.

There are three kinds: a :class:`Number` per case, machine and strategy, :class:`Counts` by key, and
a :class:`Distinct` count, of how many different values there were.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from sim.core.machine import SITES
from sim.core.step import site_of
from stress.execution.overlaps import pair_name
from stress.execution.touches import site_checksums
from stress.workers.clock import ACCOUNTS
from stress.workers.distinct import DistinctCount
from stress.workers.settings import LOCKSTEP, PARALLEL

if TYPE_CHECKING:
    from stress.execution.outcome import Outcome
    from stress.parallel.recording import Recording

CONFLICTS_EVERY = 32
"""One execution in so many is searched for sites that met, besides the first of each lease."""

SUM, MAX = "sum", "max"
"""How two numbers merge."""

CAMPAIGN, MACHINES, TIME_SHARE = "campaign", "machines", "time_share"
"""Where ``--json`` shows a number: of the whole campaign, of each machine, and as a share of the
workers' time.
"""


@dataclass(frozen=True)
class Execution:
    """One execution, as a metric sees it."""

    outcome: Outcome
    case: int
    """The case's number in the store."""
    recording: Recording | None = None
    """Of the parallel machine; None too where the setup violates, so that nothing was recorded."""


@dataclass(frozen=True)
class Stretch:
    """What a worker has done since its last answer, as a metric sees it."""

    seconds: Mapping[str, float]
    """The worker's time, by account (:mod:`stress.workers.clock`)."""
    codes: list[int]
    """The codes of all steps, those of setups too."""
    scenario: str
    override_runs: Mapping[str, int]
    """How often each override of the patch has run, in setups too."""


class Measured:
    """What has been measured since the last answer. Lives as long as a lease."""

    def __init__(self) -> None:
        self.seen: dict[str, DistinctCount] = defaultdict(DistinctCount)
        """Per distinct metric; kept from answer to answer, so that a hash is sent once."""
        self.begin()

    def begin(self) -> None:
        """Forget what has been sent."""
        self.numbers: dict[str, float] = {}
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.hashes: dict[str, list[int]] = defaultdict(list)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What every kind of metric declares.

    A metric is measured by one of two functions: ``each`` after an execution, or ``stretch`` before
    an answer, where that is cheaper.
    """

    name: str
    about: str
    """One line for docs/file-formats.md."""
    each: Callable[[Execution], Any] | None = None
    stretch: Callable[[Stretch], Any] | None = None
    every: int = 1
    """``each`` sees one execution in so many, and the first of each lease."""
    machine: str | None = None
    """The machine that has this metric; None is both."""
    merge: str = SUM

    def add(self, found: Any, to: Measured) -> None:
        """Merge a measurement into those since the last answer."""
        raise NotImplementedError

    def appears(self) -> str:
        """Return in words how ``--json`` shows the metric; ``-`` if it does not."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Number(Metric):
    """A number per case, machine and strategy; ``kind`` is its type."""

    kind: type[int] | type[float] = int
    shown: tuple[str, ...] = (CAMPAIGN,)

    def merged(self, numbers: Iterable[float]) -> float:
        """Return what ``numbers`` merge to; 0 if there are none."""
        return self.kind(max(numbers, default=0) if self.merge == MAX else sum(numbers))

    def add(self, found: Any, to: Measured) -> None:
        before = to.numbers.get(self.name)
        to.numbers[self.name] = self.kind(found) if before is None else self.merged((before, found))

    def appears(self) -> str:
        return ", ".join(self.shown) or "-"


@dataclass(frozen=True, kw_only=True)
class Counts(Metric):
    """How often, by key: a name, or two names with `` / `` between them.

    ``by_profile`` counts each architecture profile apart. ``listed`` has ``--json`` show every
    key's count, and not just how many keys there are.
    """

    by_profile: bool = False
    listed: bool = False
    shown: bool = True

    def add(self, found: Any, to: Measured) -> None:
        if found:
            to.counts[self.name].update(found)

    def appears(self) -> str:
        return "-" if not self.shown else "each key" if self.listed else "how many keys"


@dataclass(frozen=True, kw_only=True)
class Distinct(Metric):
    """How many different values there were, by their hashes of 63 bits.

    Exact for few and an estimate for many (:mod:`stress.workers.distinct`).
    """

    merge: str = "union"
    shown: bool = True

    def add(self, found: Any, to: Measured) -> None:
        if to.seen[self.name].add(found):
            to.hashes[self.name].append(found)

    def appears(self) -> str:
        return "how many" if self.shown else "-"


# -- how it is measured ----------------------------------------------------------------------------


def conflicts(execution: Execution) -> dict[str, int]:
    """Return the pairs of sites of different actors that met in an execution, each once."""
    names = _names(len(SITES))
    pairs = execution.outcome.touches().conflicts().tolist()
    return {f"{names[pair >> 32]} / {names[pair & 0xFFFFFFFF]}": 1 for pair in pairs}


@lru_cache(maxsize=1)
def _names(sites: int) -> dict[int, str]:
    """Return the sites' names by checksum; ``sites`` is how many there are by now."""
    return dict(zip(site_checksums(), (info.name for info in SITES[:sites]), strict=True))


def visits(stretch: Stretch) -> dict[str, int]:
    """Return how often each site was visited.

    Counted for many steps at once: a call of numpy costs as much as thirty steps.
    """
    import numpy

    counts = numpy.bincount(site_of(numpy.array(stretch.codes, dtype="<i8"))).tolist()
    return {SITES[number].name: count for number, count in enumerate(counts) if count}


def overrides(stretch: Stretch) -> dict[str, int]:
    """Return how often each override of the patch ran, by its name and the scenario."""
    return {f"{name} / {stretch.scenario}": runs for name, runs in stretch.override_runs.items() if runs}


def pairs(execution: Execution) -> dict[str, int]:
    """Return how often operations overlapped in an execution."""
    return {pair_name(*pair): count for pair, count in execution.outcome.overlaps().items()}


def seconds_of(account: str) -> Number:
    """Return the metric of the time that workers spend on ``account``."""
    return Number(
        name=account_metric(account),
        about=f"seconds that workers spent {ACCOUNTS[account]}",
        stretch=lambda stretch: stretch.seconds.get(account, 0.0),
        kind=float,
        shown=(TIME_SHARE,),
    )


def account_metric(account: str) -> str:
    """Return the name of the metric of the seconds on ``account``."""
    return f"{account}_s"


def recorded(measure: Callable[[Recording], int]) -> Callable[[Execution], int]:
    """Return ``measure`` as a function of an execution, which is 0 where nothing was recorded."""
    return lambda execution: measure(execution.recording) if execution.recording is not None else 0


# -- the metrics -----------------------------------------------------------------------------------

DECLARED: tuple[Metric, ...] = (
    Number(name="executions", about="executions, without twins", each=lambda execution: 1, shown=(CAMPAIGN, MACHINES)),
    Number(
        name="steps",
        about="steps of these executions",
        each=lambda execution: execution.outcome.steps,
        shown=(CAMPAIGN, MACHINES),
    ),
    Number(
        name="inconclusive",
        about="executions that ran out of steps before a verdict, or were given up",
        each=lambda execution: execution.outcome.verdict.kind == "inconclusive",
    ),
    *map(seconds_of, ACCOUNTS),
    Number(
        name="native",
        about="of the executions, those that the native core made, clean ones all",
        machine=LOCKSTEP,
    ),
    Number(
        name="compared",
        about="executions that were made in Python and natively too, and compared",
        machine=LOCKSTEP,
    ),
    Number(
        name="unjudged",
        about="executions that the native core gave up and that Python did not make again, as enough of their kind "
        "had been; they are in no other number",
        machine=LOCKSTEP,
    ),
    Number(
        name="recorded_steps",
        about="steps that the processes made and recorded, before the replay",
        each=recorded(lambda recording: len(recording.codes)),
        machine=PARALLEL,
        shown=(),
    ),
    Number(
        name="switches",
        about="how often the next recorded step was another process's",
        each=recorded(lambda recording: recording.switches()),
        machine=PARALLEL,
        shown=(),
    ),
    Number(
        name="pauses",
        about="moments at which all processes stood still and the arena was audited",
        each=recorded(lambda recording: recording.pauses),
        machine=PARALLEL,
        shown=(MACHINES,),
    ),
    Counts(
        name="visits",
        about="how often a step site was visited, in setups too",
        stretch=visits,
        by_profile=True,
        shown=False,
    ),
    Counts(
        name="overrides",
        about="how often an override of the patch ran, the first name, in a scenario, the second; in setups too",
        stretch=overrides,
        by_profile=True,
        shown=False,
    ),
    Counts(
        name="pairs",
        about="how often an operation, the second, began while another, the first, was under way",
        each=pairs,
        listed=True,
    ),
    Counts(
        name="conflicts",
        about="in how many executions a step at the second site met the latest step of another actor, at the first "
        "site, at one location, one of them writing; the first execution of each lease is looked at, and one in "
        f"{CONFLICTS_EVERY}",
        each=conflicts,
        every=CONFLICTS_EVERY,
    ),
    Number(
        name="measured",
        about="of the executions, those whose class was named; their strategy was drawn",
        machine=LOCKSTEP,
    ),
    Distinct(
        name="classes",
        about="different classes of executions, case by case, among those that were measured: executions of a class "
        "differ only in the order of transitions that do not depend on each other",
    ),
    Distinct(
        name="reads_from",
        about="different reads-from pairs, case by case, of those executions: the site of a step, and that of another "
        "actor's step which had written last where it reads, or none",
    ),
    Distinct(
        name="states",
        about="different states, case by case, of those executions that the native core made in the small geometry, "
        "one after each transition; named as `prove` names them",
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in DECLARED}
"""All metrics, by name."""

Kind = TypeVar("Kind", bound=Metric)


def declared(kind: type[Kind]) -> list[Kind]:
    """Return the metrics of a kind, in the order of their declaration."""
    return [metric for metric in METRICS.values() if isinstance(metric, kind)]


def table() -> list[str]:
    """Return the rows of the table of metrics in docs/file-formats.md."""
    return [
        f"| `{metric.name}` | {type(metric).__name__.lower()} | {metric.merge} | {metric.appears()} | {metric.about} |"
        for metric in METRICS.values()
    ]
