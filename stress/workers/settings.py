"""What a search is: scenarios, profiles, kernel, strategy and machine, and how seeds are numbered.

A seed has three parts. The campaign's own seed, below SEED_MAX, stands in the bits from SEED_BITS
up. The bits below are a number that each case counts up from 0. The upper half of these numbers,
from PARALLEL_SEEDS up, is the parallel machine's, so that what lockstep does for a seed does not
depend on how many executions the parallel machine makes of the same case.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from sim.core.profile import REAL, SMALL
from stress.case import DEFAULT_KERNEL, Case
from stress.catalogue import choose, once
from stress.errors import UsageError
from stress.execution.runner import composed
from stress.patch.scenario.staging import speculating_first

if TYPE_CHECKING:
    from stress.catalogue import Catalogue

SEED_BITS = 40
"""Bits of the number that each case counts up: on each machine 550 thousand million executions of a
case, which take the native core weeks.
"""

SEED_MAX = 1 << 23
"""A campaign's seed is below this, so that every seed fits into a signed word of 64 bits."""

PARALLEL_SEEDS = 1 << 39
"""The first of a case's numbers that is the parallel machine's."""

LOCKSTEP, PARALLEL, BOTH = "lockstep", "parallel", "both"
"""The machines. Leases of the parallel machine have ``parallel`` as their strategy too: there the
cores decide who goes next.
"""

NATIVE = "native"
"""The checker of a difference between the native core and Python: a failure of the tool."""

PORTFOLIO_NAME = "portfolio"

PORTFOLIO: Mapping[str, float] = {
    "pct": 0.35,
    "pos": 0.2,
    "pos-contested": 0.15,
    "random": 0.1,
    "surw": 0.05,
    "surw-contested": 0.05,
    "rff": 0.05,
    "round-robin": 0.05,
}
"""What the strategy ``portfolio`` takes by turns, lease by lease, with the shares that they begin
with: no single one finds everything. The shares follow what was measured (docs/strategies.md).
"""


@dataclass(frozen=True)
class Settings:
    """What a campaign is, as its results directory remembers it."""

    seed: int
    scenarios: tuple[str, ...]
    profiles: tuple[str, ...]
    geometry: str | None = None
    """``small``, ``real``, or None: small with a share of real."""
    kernel: str = DEFAULT_KERNEL
    faults: tuple[str, ...] = ()
    patch: tuple[str, ...] = ()
    """The user's files on top of the kernel."""
    strategy: str = PORTFOLIO_NAME
    options: dict[str, int] = field(default_factory=dict)
    """The strategy's own, as ``depth`` of pct."""
    machine: str = LOCKSTEP
    """``lockstep``, ``parallel``, or ``both``."""
    versus: tuple[str, ...] = ()
    """Patches that are executed beside ``patch`` on the same seeds."""

    def sides(self) -> list[tuple[str, ...]]:
        """Return the patches that stand beside ``patch``: each of ``versus``, and none at all."""
        return [*((spec,) for spec in self.versus), ()] if self.versus else []

    def plain(self) -> dict[str, Any]:
        """Return the settings as plain data: lists for tuples."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}

    @classmethod
    def of(cls, plain: dict[str, Any]) -> Settings:
        """Return the settings that :meth:`plain` made ``plain`` of.

        Raises UsageError if it did not: ``plain`` may come from a stranger.
        """
        try:
            if unknown := plain.keys() - {field.name for field in fields(cls)}:
                raise ValueError(f"there is no setting {min(unknown)}")
            return msgspec.convert(plain, cls)
        except (ValueError, TypeError, msgspec.MsgspecError) as error:
            raise UsageError(f"settings that are no campaign's ({error}); give --dir a new directory") from error

    def case(self, scenario: str, params: dict[str, int], profile: str, geometry: str) -> Case:
        """Return a case of this search: its kernel and its faults are those of all cases."""
        return Case(scenario, tuple(sorted(params.items())), profile, geometry, self.kernel, self.faults, self.patch)

    def ranks(self, geometry: str, catalogue: Catalogue) -> list[list[Case]]:
        """Return the cases of one geometry, in ranks: the first parameter set of every scenario on
        every profile, then the second of each, and so on. One in so many begins with one whose CPUs
        speculate.

        Raises UsageError if there is no case.
        """
        ranks: list[list[Case]] = []
        for row, scenario in enumerate(self.scenarios):
            for column, profile in enumerate(self.profiles, 1):
                shape = catalogue.profile(profile).at(self.kernel)
                sets = catalogue.parameters(scenario, shape, geometry)
                if not (row + column) % SPECULATES_FIRST_EVERY:
                    sets = speculating_first(sets)
                for rank, params in enumerate(sets):
                    while rank >= len(ranks):
                        ranks.append([])
                    ranks[rank].append(self.case(scenario, params, profile, geometry))
        if not ranks:
            raise UsageError("no scenario is chosen; zapstress list scenarios shows them")
        return ranks

    def checked(self, catalogue: Catalogue) -> Settings:
        """Return these settings if a campaign can run them.

        Everything that can be wrong is told here, before there is a worker or a directory. Raises
        UsageError for names that do not exist, for options that do not fit together and for a
        component that overrides nothing, and Missing if the parallel machine is wanted and cannot
        be had.
        """
        if not 0 <= self.seed < SEED_MAX:
            raise UsageError(f"the seed {self.seed}: a seed is from 0 to {SEED_MAX - 1}")
        if self.geometry is not None:
            choose("geometry", self.geometry, (SMALL, REAL))
        choose("machine", self.machine, (LOCKSTEP, PARALLEL, BOTH))
        for kind, names in (("scenario", self.scenarios), ("profile", self.profiles), ("fault", self.faults)):
            once(kind, names)
        self._check_machine()
        for name in self.scenarios:
            catalogue.choose_scenario(name)
        _check_names("profile", self.profiles, catalogue.profiles())
        _check_names("fault", self.faults, catalogue.faults())
        _check_names("kernel", (self.kernel,), catalogue.kernels())
        self._check_patches(catalogue)
        self._compose_one(catalogue)
        self._check_strategy(catalogue)
        return self

    def _check_patches(self, catalogue: Catalogue) -> None:
        """Raise UsageError for a patch that is wrong, or that nothing can be compared with."""
        once("patch", (*self.patch, *self.versus))
        if self.versus and not self.patch:
            raise UsageError(f"--versus {self.versus[0]} is compared with --patch; name that too")
        for specs in (self.patch, *((spec,) for spec in self.versus)):
            catalogue.check_patch(specs, self.profiles, self.kernel)

    def _check_machine(self) -> None:
        """Raise what keeps the parallel machine from being used, if it is wanted."""
        if self.machine == LOCKSTEP:
            return
        from stress.parallel.gang import Missing, why_not

        if missing := why_not():
            raise Missing(missing)
        if self.machine == PARALLEL and self.strategy != PORTFOLIO_NAME:
            raise UsageError(
                "--strategy is lockstep's: on the parallel machine the cores decide; "
                "say --machine lockstep or leave the strategy out"
            )

    def _check_strategy(self, catalogue: Catalogue) -> None:
        """Raise UsageError for a strategy that does not exist, or has no such options."""
        if self.strategy == PORTFOLIO_NAME and self.options:
            raise UsageError("--depth is pct's; say --strategy pct with it")
        for name in PORTFOLIO if self.strategy == PORTFOLIO_NAME else (self.strategy,):
            catalogue.strategy(name, **self.options)

    def _compose_one(self, catalogue: Catalogue) -> None:
        """Compose the kernel of the first case, which raises what is wrong with a component."""
        composed(self.ranks(self.geometry or SMALL, catalogue)[0][0], catalogue)


def machine_of(strategy: str) -> str:
    """Return the machine whose leases have ``strategy``."""
    return PARALLEL if strategy == PARALLEL else LOCKSTEP


def beginning(seed: int, machine: str) -> int:
    """Return the seed that a case's first execution on ``machine`` has in the campaign ``seed``."""
    return (seed << SEED_BITS) + (PARALLEL_SEEDS if machine == PARALLEL else 0)


def nth(seed: int) -> int:
    """Return which execution of its case on its machine has ``seed``, counted from 1."""
    return seed % PARALLEL_SEEDS + 1


def _check_names(kind: str, names: tuple[str, ...], known: Iterable[str]) -> None:
    """Raise UsageError for a name that is not one of ``known``."""
    for name in names:
        choose(kind, name, known)


SPECULATES_FIRST_EVERY = 4
"""Of one scenario on one profile in so many the set that comes first is one whose CPUs speculate:
most cases of a minute are the first of theirs.
"""

TWIN_EVERY = 128
"""One execution in so many is run twice."""


PROVE_SHARE = 1 / 3
"""Of the workers' time, the largest part that a campaign gives to proofs by default."""


@dataclass
class Budget:
    """How long to go on, with how many workers; at least one of the bounds is given."""

    duration_s: float | None = None
    executions: int | None = None
    workers: int = 1
    stop_on_first: bool = False
    twin_every: int = TWIN_EVERY
    disk_mib_max: int | None = None
    """How large the results directory may become."""
    native: bool = False
    """Have kernels compiled beside the search, and use them where they are there."""
    risk: float | None = None
    """Small enough a risk: when every scenario has come to it on every profile, the run ends."""
    prove_share: float = PROVE_SHARE
    """Of the workers' time, the largest part that goes into searching cases to their end."""
    baseline: Path | None = None
    """The directory of a campaign whose signatures are expected from now on."""
