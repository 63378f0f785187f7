"""Whether what campaigns say of the rest is true: how often their bound on the chance of a new
class holds, and how far above the true chance it is (:mod:`stress.workers.measure`).

A short campaign of a space is its measured executions alone, made and named as a worker does it
natively, with the shares that a portfolio begins with and what strategies have learned from some
executions of the case: all campaigns of a space have the same, frozen. How long a campaign is is
drawn, from half of the most to the most, so that it ends anywhere within a block.

The probabilities of classes are taken from a far longer run of the same mixture, with seeds of its
own. What that run shows of classes which a campaign has not seen is the *true chance* that the
campaign's next execution shows one, within 0.002 (a standard deviation, at most). The *ratio* is
how many times the true chance a campaign says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from math import inf
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from sim.core.profile import SMALL
from stress.case import Case
from stress.errors import UsageError
from stress.execution.runner import open_runner
from stress.native.compilers import FAST
from stress.native.kernels import KernelKey, library
from stress.native.proofs.proof import Job, Prover
from stress.native.proofs.result import PROVED
from stress.native.runner import NativeCase
from stress.native.search.classes import NativeClasses
from stress.native.search.space import StateSpace
from stress.output import chance_words
from stress.rng import words
from stress.workers.measure.bound import Block, risk
from stress.workers.measure.sampler import Sampler
from stress.workers.measure.shown import Shown, class_in_c
from stress.workers.messages import FOREVER_S, LeaseOrder
from stress.workers.open_cases import Strategies
from stress.workers.plan.portfolio import Portfolio
from stress.workers.settings import LOCKSTEP, SEED_BITS

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

SPACES = ("munmap_vs_access", "partial_zap", "dontneed_vs_fault", "mixed_orders", "munmap_vs_fault", "lazy_cpu")
"""The scenarios whose first parameter sets are looked at by default: proved within seconds, with a
hundred to a million classes.
"""

HELD_MIN, RATIO_MAX = 0.94, 3.0
"""In how many of the campaigns the bound has to hold, and how large the median ratio may be."""

PROVING_SECONDS, PROVING_WORDS = 20.0, 1 << 22
"""How long a space may take to be proved, and the table of its states (32 MiB)."""

LEARNING = 64
"""Executions from which each strategy learns, before any campaign."""

LONG = 1 << 16
"""Executions of the run that probabilities are taken from."""

LENGTH_MIN = 16
"""Executions of the shortest campaign that says anything."""


@dataclass(frozen=True)
class Experiment:
    """So many ``campaigns``, shared out among the spaces, each of at most so many measured
    ``executions``; and a ``long`` run of each space.
    """

    campaigns: int
    executions: int
    seed: int = 1
    long: int = LONG

    @property
    def least(self) -> int:
        """Executions of the shortest campaign."""
        return max(LENGTH_MIN, self.executions // 2)

    def length(self, number: int) -> int:
        """Return how many executions a campaign has."""
        return self.least + words(self.seed + number, "campaign")() % (self.executions - self.least + 1)


@dataclass(frozen=True)
class Said:
    """What one campaign said, by its newest block, and the true chance."""

    block: Block
    chance: float

    @property
    def bound(self) -> float:
        """The largest chance that it says there can be."""
        return risk([self.block])


class SampledSpace:
    """A case whose executions are measured, as a worker does it natively."""

    def __init__(self, native: NativeCase, classes: NativeClasses, catalogue: Catalogue) -> None:
        self.native, self.classes, self.case = native, classes, native.runner.case
        self.strategies = Strategies(catalogue)
        shares = Portfolio(0).weights()
        self.order = LeaseOrder(
            lease=0, number=0, case=self.case, strategy="", options={}, machine=LOCKSTEP, processes=0, first=0, count=0,
            slice_s=FOREVER_S, left_s=FOREVER_S, twin_every=0, stop_on_first=False, afresh=False,
            native=True, shares=shares,
        )  # fmt: skip
        for name in shares:
            native.run(self.strategies.of(replace(self.order, strategy=name)), 0, LEARNING)

    def name(self, sampler: Sampler, seed: int) -> int:
        """Return the class of the execution of a seed, under the strategy that is drawn for it."""
        ran = self.native.run(sampler.strategy(self.order, seed), seed)
        return class_in_c(self.native, ran, self.classes)

    def counts(self, seeds: range) -> Counter[int]:
        """Return how often each class comes in a run of these seeds."""
        sampler = Sampler(self.strategies)
        return Counter(self.name(sampler, seed) for seed in seeds)

    def campaign(self, seeds: range, counts: Counter[int]) -> Said:
        """Measure these seeds in a campaign of their own; return what it says at its end. The true
        chance is taken from the ``counts`` of a long run.
        """
        sampler, seen = Sampler(self.strategies), set[int]()
        for seed in seeds:
            name = self.name(sampler, seed)
            sampler.add(self.order, Shown(name))
            seen.add(name)
        block, long = sampler.blocks(self.case).newest(), counts.total()
        assert block is not None
        return Said(block, (long - sum(counts[name] for name in seen)) / long)

    def said(self, experiment: Experiment, campaigns: int) -> tuple[int, list[Said]]:
        """Return how many classes the long run shows, and what each campaign says."""
        first = experiment.seed << SEED_BITS
        counts, found = self.counts(range(first, first + experiment.long)), []
        first += experiment.long
        for number in range(campaigns):
            found.append(self.campaign(range(first, first + experiment.length(number)), counts))
            first += experiment.executions
        return len(counts), found


def spaces(names: Sequence[str], profile: str, kernel: str, patch: tuple[str, ...], catalogue: Catalogue) -> list[Case]:
    """Return the case of each scenario that is looked at: its first parameter set.

    Raises UsageError where there is none on the profile.
    """
    found = []
    for name in names:
        sets = catalogue.parameters(name, catalogue.profile(profile).at(kernel), SMALL)
        if not sets:
            raise UsageError(f"{name} has no parameters on {profile}: name other scenarios")
        found.append(Case(name, tuple(sorted(sets[0].items())), profile, SMALL, kernel, patch=patch))
    return found


async def bench_risk(
    cases: Sequence[Case], experiment: Experiment, catalogue: Catalogue, tell: Callable[[str], None], level: str = FAST
) -> dict[str, Any]:
    """Return a row for each space, one for all of them ``together``, and whether everything is as
    it has to be (``good``). Raises UsageError if the campaigns are too short.
    """
    if experiment.executions < LENGTH_MIN:
        raise UsageError(f"--executions {experiment.executions}: a campaign says nothing before {LENGTH_MIN}")
    prover = Prover(catalogue, lambda words: None, sorted({case.scenario for case in cases}), level)
    rows, said, each = [], [], -(-experiment.campaigns // len(cases))
    for case in cases:
        row, found = await row_of(case, experiment, each, prover)
        tell(line_of(row))
        rows.append(row)
        said += [found] if found else []
    together = figures([pooled(found) for found in zip(*said, strict=True)]) if len(said) > 1 else None
    good = all(is_good(row) for row in [*rows, together] if row is not None)
    sizes = {**asdict(experiment), "least": experiment.least, "each": each}
    return {**sizes, "rows": rows, "together": together, "good": good}


async def row_of(
    case: Case, experiment: Experiment, campaigns: int, prover: Prover
) -> tuple[dict[str, Any], list[Said]]:
    """Return the row of a case, and what campaigns say of it: none if it is not proved."""
    with TemporaryDirectory() as folder:
        answer = await prover.prove(Job(case, PROVING_SECONDS, PROVING_WORDS, folder))
    row: dict[str, Any] = {
        "scenario": case.scenario, "parameters": dict(case.params), "profile": case.profile, "kernel": case.kernel,
        "kind": answer.kind, "states": answer.states,
    }  # fmt: skip
    if answer.kind != PROVED:
        return row, []
    key = KernelKey.of(case)
    plain, search = library(key, prover.scenarios, prover.catalogue, prover.level), prover.library(key)
    async with open_runner(case, "plain", catalogue=prover.catalogue) as runner:
        space = SampledSpace(NativeCase(plain, runner), NativeClasses(StateSpace(search, runner)), prover.catalogue)
        classes, said = space.said(experiment, campaigns)
    return row | {"classes": classes} | figures([(one.bound, one.chance) for one in said]), said


def pooled(said: Sequence[Said]) -> tuple[float, float]:
    """Return what one campaign of several spaces says of all, and the true chance, if the next
    execution falls to them as the blocks did.
    """
    executions = [one.block.executions for one in said]
    chance = sum(n * one.chance for n, one in zip(executions, said, strict=True)) / sum(executions)
    return risk([one.block for one in said]), chance


def figures(said: Sequence[tuple[float, float]]) -> dict[str, Any]:
    """Return of the bounds and true chances of campaigns in how many of them the bound held, the
    medians, and the median ratio: None if most have seen everything.
    """
    ratio = median(bound / chance if chance else inf for bound, chance in said)
    return {
        "held": sum(bound >= chance for bound, chance in said) / len(said),
        "bound": median(bound for bound, _ in said),
        "chance": median(chance for _, chance in said),
        "ratio": ratio if ratio < inf else None,
    }


def is_good(row: dict[str, Any]) -> bool:
    """Return whether a row is of a proved space, and as it has to be."""
    held, ratio = row.get("held", 0.0), row.get("ratio")
    return held >= HELD_MIN and ratio is not None and ratio <= RATIO_MAX


HEAD = "| scenario | parameters | profile | states | classes | held | bound | true chance | ratio |"


def text(data: dict[str, Any]) -> str:
    """Return the table of docs/proofs.md."""
    lines = [HEAD, "| --- " * HEAD.count(" | ") + "| --- |", *map(line_of, data["rows"])]
    if data["together"]:
        lines.append(line("together", "", "", "", "", *cells(data["together"])))
    words = f"{data['each']:,} campaigns of each, of {data['least']:,} to {data['executions']:,} executions"
    wanted = f"proved, held in {HELD_MIN:.0%} at least, and a ratio of {RATIO_MAX:.0f} at most"
    return "\n".join([*lines, "", f"{words}. {'All is' if data['good'] else 'Not all is'} as wanted: {wanted}."])


def line_of(row: dict[str, Any]) -> str:
    """Return the line of a space."""
    params = " ".join(f"{name}={value}" for name, value in row["parameters"].items())
    counts = [f"{row['states']:,}", f"{row['classes']:,}"] if row["kind"] == PROVED else [row["kind"], ""]
    return line(row["scenario"], params, row["profile"], *counts, *cells(row))


def line(*cells: str) -> str:
    """Return a line of the table."""
    return f"| {' | '.join(cells)} |"


def cells(row: dict[str, Any]) -> list[str]:
    """Return the figures of a row; nothing of a space that is not proved."""
    if "held" not in row:
        return [""] * 4
    ratio = f"{row['ratio']:.2f}" if row["ratio"] is not None else "-"
    return [f"{row['held']:.1%}", chance_words(row["bound"]), chance_words(row["chance"]), ratio]
