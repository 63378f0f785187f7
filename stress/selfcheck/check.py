"""Looks a patch over before a campaign: does it compose, does it run, and does it keep the books?

The patch is composed on every profile. Every scenario is executed a few times there, and longer
where it reaches an override. A violation is told apart: a *finding*, or a *bookkeeping mistake*.
The kernel has one reference count per folio, the ledger knows who holds each reference (law L7); a
step of a patch that takes one and does not name the holder upsets the ledger, and no count. So the
execution is repeated with a ledger that does not judge. If only the ledger had objected, the
mistake is one of bookkeeping.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sim.core.ledger import NONE
from sim.core.machine import site_info
from sim.core.profile import SMALL
from stress.case import Case
from stress.errors import CLEAN, INCONCLUSIVE, USAGE, VIOLATED
from stress.execution.runner import Runner, open_runner
from stress.execution.signature import signature_of
from stress.machine.chance import RandomData
from stress.patch.vet import absent
from stress.trace.record import Trace, capture
from stress.trace.replay import Mode, replay

if TYPE_CHECKING:
    from stress.catalogue import Catalogue
    from stress.execution.outcome import Outcome
    from stress.patch.load import Patch

STRATEGY = "random"
"""It learns nothing, so that ``zapstress run`` makes the same execution again."""

EXECUTIONS_FIRST, EXECUTIONS = 2, 8
"""Executions of a case to see whether it reaches an override, and of one that does."""

MORE_CASES_MAX = 2
"""Further parameter sets that are executed of a scenario that reaches an override."""

FINDING, BOOKKEEPING, UNPATCHED = "finding", "bookkeeping", "unpatched"
"""What a violation is: of the kernel as patched, of the patch's bookkeeping, or of the kernel
without the patch too.
"""

UNNAMED: list[int] = []
"""Steps of the execution that is repeated which changed a refcount and named no holder."""


class LedgerUnjudged:
    """A ledger that keeps its cells and objects to nothing."""

    component = "ledger"

    def _changer(self) -> Callable[[int, int, int], None]:
        change = super()._changer()  # type: ignore[misc]

        def note(holder: int, folio: int, delta: int) -> None:
            if holder == NONE:
                UNNAMED.append(self.m.last_site)  # type: ignore[attr-defined]
            change(holder, folio, delta)

        return note

    def _overdrawn(self, *_: int) -> None:
        """Let a holder give what it does not have."""


class GatherUnjudged:
    """Gathers may close with references that only the ledger takes for theirs."""

    component = "checks"

    def gather_finished(self, tlb: int) -> None:
        """Let the gather close."""


class AuditOfCounts:
    """An audit that recounts, and does not ask the ledger."""

    component = "audits"

    def _references(self, np: Any) -> None:
        """Compare refcounts with a recount of all holders."""
        self.ledger.array[:] = self.held(np).ravel()  # type: ignore[attr-defined]
        super()._references(np)  # type: ignore[misc]


UNJUDGED = (LedgerUnjudged, GatherUnjudged, AuditOfCounts)
"""What is put in front of the kernel to see whether only the ledger objects."""

OF_THE_BOOKS = ("I2", "I3", "I5")
"""Invariants that the ledger judges, or a checker by what the ledger was told."""


@dataclass
class Violated:
    """The violations of one signature."""

    signature: str
    what: str
    case: Case
    seed: int
    count: int = 1
    kind: str = FINDING
    hint: str = ""

    def data(self) -> dict[str, Any]:
        """Return it as plain data."""
        case = self.case
        of_case = {"scenario": case.scenario, "profile": case.profile, "params": dict(case.params)}
        names = ("signature", "kind", "what", "hint", "seed", "count")
        return {**{name: getattr(self, name) for name in names}, **of_case}


@dataclass
class Override:
    """How often an override ran, and where."""

    runs: int = 0
    profiles: dict[str, None] = field(default_factory=dict)
    scenarios: dict[str, None] = field(default_factory=dict)


def spread(cases: list[Case]) -> list[Case]:
    """Return up to MORE_CASES_MAX cases, as far apart as there are; the last is one of them."""
    return cases[:: -max(1, -(-len(cases) // MORE_CASES_MAX))]


class Check:
    """Looks one patch over, on ``profiles`` of one kernel version."""

    def __init__(
        self, patch: Patch, kernel: str, profiles: Iterable[str], scenarios: Iterable[str], catalogue: Catalogue
    ) -> None:
        self.patch, self.kernel, self.catalogue = patch, kernel, catalogue
        self.profiles, self.scenarios = list(profiles), list(scenarios)
        self.overrides = {name: Override() for name in patch.overrides}
        self.absent: dict[str, dict[str, str]] = {}
        """By profile: overrides that cannot run there, with the reason."""
        self.violations: dict[str, Violated] = {}
        self.executions = 0

    async def run(self) -> None:
        """Compose on every profile, and execute. Raises PatchError for what the patch raises."""
        for profile in self.profiles:
            self.absent[profile] = absent(self.patch, self.catalogue.model(), (profile, self.kernel))
            wanted = [name for name in self.overrides if name not in self.absent[profile]]
            if wanted:
                await self._run_on(profile, wanted)

    async def _run_on(self, profile: str, wanted: list[str]) -> None:
        """Execute a few cases of every scenario that reaches an override; then the cases of others,
        until each of ``wanted`` has run.
        """
        others: list[Case] = []
        for scenario in self.scenarios:
            cases = self._cases(scenario, profile)
            if not await self._execute(cases[0]):
                others += cases[1:]
                continue
            for case in spread(cases[1:]):
                await self._execute(case)
        for case in others:
            if all(profile in self.overrides[name].profiles for name in wanted):
                return
            await self._execute(case)

    def _cases(self, scenario: str, profile: str) -> list[Case]:
        """Return the scenario's cases."""
        shape, specs = self.catalogue.profile(profile).at(self.kernel), self.patch.specs
        return [
            Case(scenario, tuple(sorted(params.items())), profile, SMALL, self.kernel, (), specs)
            for params in self.catalogue.parameters(scenario, shape, SMALL)
        ]

    async def _execute(self, case: Case) -> bool:
        """Execute a case, a few times more if it reaches an override; return whether it does."""
        failed: list[Trace] = []
        async with open_runner(case, "plain", catalogue=self.catalogue) as runner:
            strategy = self.catalogue.strategy(STRATEGY)
            for seed in range(EXECUTIONS):
                if seed >= EXECUTIONS_FIRST and not any(runner.override_runs().values()):
                    break
                outcome = runner.run(strategy, seed, RandomData(seed))
                self.executions += 1
                if outcome.verdict.kind == "violation" and self._is_new(outcome, case, seed):
                    failed.append(capture(outcome, STRATEGY))
            self._count(runner)
            reached = any(runner.override_runs().values())
        for trace in failed:
            await self._tell_apart(trace)
        return reached

    def _count(self, runner: Runner) -> None:
        """Add how often each override has run in a case."""
        for name, runs in runner.override_runs().items():
            if runs:
                found = self.overrides[name]
                found.runs += runs
                found.profiles[runner.case.profile] = found.scenarios[runner.case.scenario] = None

    def _is_new(self, outcome: Outcome, case: Case, seed: int) -> bool:
        """Count a violation; return whether its signature is new."""
        signature, known = signature_of(outcome), self.violations
        if signature in known:
            known[signature].count += 1
            return False
        known[signature] = Violated(signature, str(outcome.verdict.violation), case, seed)
        return True

    async def _tell_apart(self, trace: Trace) -> None:
        """Say of a new signature what it is."""
        found = self.violations[trace.ending.signature]
        if await self._again(trace, Mode("plain", tolerant=True, without_faults=True)) == found.signature:
            found.kind = UNPATCHED
            return
        UNNAMED.clear()
        counts_only = Mode("plain", tolerant=True, patch=self.patch.specs, parts=UNJUDGED)
        if found.what.partition(" ")[0] in OF_THE_BOOKS and not await self._again(trace, counts_only):
            found.kind = BOOKKEEPING
            found.hint = hint(UNNAMED[0] if UNNAMED else 0, trace.ending.accused)

    async def _again(self, trace: Trace, mode: Mode) -> str:
        """Return the signature with which a trace ends in another mode, or ``""``."""
        async with replay(trace, mode, self.catalogue) as again:
            return signature_of(again.outcome)

    def data(self) -> dict[str, Any]:
        """Return what was found as plain data."""
        never = [name for name, override in self.overrides.items() if not override.runs]
        kinds = {violated.kind for violated in self.violations.values()}
        status = VIOLATED if FINDING in kinds else USAGE if BOOKKEEPING in kinds else INCONCLUSIVE if never else CLEAN
        return {
            "patch": list(self.patch.specs),
            "digest": self.patch.digest,
            "kernel": self.kernel,
            "profiles": self.profiles,
            "executions": self.executions,
            "overrides": [
                {
                    "method": name,
                    "runs": override.runs,
                    "profiles": list(override.profiles),
                    "scenarios": list(override.scenarios),
                    "absent": {profile: why[name] for profile, why in self.absent.items() if name in why},
                }
                for name, override in self.overrides.items()
            ],
            "violations": [violated.data() for violated in self.violations.values()],
            "exit_status": status,
        }


def hint(unnamed: int, accused: str) -> str:
    """Return what to do about a bookkeeping mistake; ``unnamed`` is the code of a step that named
    no holder, or 0.
    """
    if unnamed:
        return (
            f"the step '{site_info(unnamed).name}' changes a refcount and does not name who holds the reference: "
            "give it a holder, as TRANSIENT (sim/core/ledger.py)"
        )
    return (
        f"the reference that '{accused}' took or put was not named to the ledger: "
        "say self.k.ledger.move(giver, taker, folio, nr) where it changes hands (sim/core/ledger.py)"
    )
