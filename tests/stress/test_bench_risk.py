"""What campaigns say of the rest, beside the truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from stress.bench.risk import HEAD, SPACES, Experiment, Said, SampledSpace, bench_risk, figures, is_good, pooled, spaces
from stress.catalogue import CATALOGUE
from stress.cli.main import main
from stress.errors import UsageError
from stress.execution.runner import open_runner
from stress.machine.driver import run_plain
from stress.native.compilers import QUICK
from stress.native.kernels import KernelKey, library, searchable
from stress.native.proofs.result import PROVED, UNFINISHED
from stress.native.runner import NativeCase
from stress.native.search.classes import NativeClasses
from stress.native.search.space import StateSpace
from stress.sources import ROOT
from stress.workers.measure.bound import Block, risk
from tests.stress.native.compiled import cache_in, needs_compiler

CASE = spaces(["munmap_vs_access"], "x86-64", "6.9", (), CATALOGUE)[0]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the kernel from one test to the next."""
    with cache_in(tmp_path_factory.mktemp("cache")):
        yield


def test_figures_are_medians_and_nothing_is_so_many_times_nothing() -> None:
    found = figures([(0.2, 0.1), (0.3, 0.2), (0.4, 0.1), (0.1, 0.2)])
    assert pytest.approx({"held": 0.75, "bound": 0.25, "chance": 0.15, "ratio": 1.75}) == found
    assert figures([(0.2, 0.0), (0.2, 0.0), (0.2, 0.1)])["ratio"] is None


def test_the_next_execution_falls_to_spaces_as_their_blocks_did() -> None:
    said = pooled([Said(Block(30, 3), 0.1), Said(Block(10, 0), 0.02)])
    assert pytest.approx((risk([Block(40, 3)]), 0.08)) == said


def test_campaigns_end_anywhere_in_a_block() -> None:
    experiment = Experiment(1, 64)
    assert set(range(32, 65)) == {experiment.length(number) for number in range(400)}
    with pytest.raises(UsageError, match="--executions 15: a campaign says nothing before 16"):
        run_plain(bench_risk([CASE], replace(experiment, executions=15), CATALOGUE, print))


@needs_compiler
def test_the_true_chance_is_of_what_a_campaign_has_not_seen() -> None:
    """It is nothing for the long run itself; and campaigns change nothing for those after them."""
    key, names = KernelKey.of(CASE), [CASE.scenario]
    made, search = (find(key, names, CATALOGUE, QUICK) for find in (library, searchable))

    async def look() -> tuple[Said, Said, Said, Said]:
        async with open_runner(CASE, "plain") as runner:
            space = SampledSpace(NativeCase(made, runner), NativeClasses(StateSpace(search, runner)), CATALOGUE)
            counts = space.counts(range(900))
            every, half = (space.campaign(range(count), counts) for count in (900, 450))
            return every, half, space.campaign(range(900), counts), Said(half.block, rest_of(space, counts))

    def rest_of(space: SampledSpace, counts: dict[int, int]) -> float:
        seen = space.counts(range(450))
        return sum(count for name, count in counts.items() if name not in seen) / 900

    every, half, again, counted = run_plain(look())
    assert every == again
    assert (0.0, 900 - 512) == (every.chance, every.block.executions)
    assert half == counted
    assert 0.0 < half.chance < half.bound < 1.0


@needs_compiler
def test_the_bound_of_short_campaigns_holds() -> None:
    data = run_plain(bench_risk([CASE], Experiment(40, 64, long=2000), CATALOGUE, print, QUICK))
    row = data["rows"][0]
    assert (PROVED, None) == (row["kind"], data["together"])
    assert row["held"] >= 0.9 and row["ratio"] > 1.0
    assert 2 < row["classes"] < row["states"]


PROVED_ROW = {
    "scenario": "a", "parameters": {"order": 0, "store": 1}, "profile": "p", "kind": PROVED, "states": 1000,
    "classes": 40, "held": 0.94, "bound": 0.02, "chance": 0.0004, "ratio": 2.0,
}  # fmt: skip


@pytest.mark.parametrize(
    ("row", "status", "line"),
    [
        (PROVED_ROW, 0, "| a | order=0 store=1 | p | 1,000 | 40 | 94.0% | 0.02 | 4.0e-04 | 2.00 |"),
        (PROVED_ROW | {"held": 0.93}, 5, "| 93.0% | 0.02 |"),
        (PROVED_ROW | {"ratio": 3.01}, 5, "| 3.01 |"),
        (PROVED_ROW | {"ratio": None}, 5, "| 4.0e-04 | - |"),
        (
            {name: PROVED_ROW[name] for name in ("scenario", "parameters", "profile", "states")} | {"kind": UNFINISHED},
            5,
            "| p | unfinished |  |  |  |  |  |",
        ),
    ],
)
def test_the_status_says_whether_the_bound_is_as_wanted(
    row: dict[str, Any], status: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def made(*_: object) -> dict[str, Any]:
        whole = {"each": 9, "least": 32, "executions": 64, "rows": [row], "together": None}
        return whole | {"good": is_good(row)}

    monkeypatch.setattr("stress.bench.risk.bench_risk", made)
    assert status == main(["bench", "risk"])
    out = capsys.readouterr().out
    assert line in out
    assert ("All is as wanted" if status == 0 else "Not all is as wanted") in " ".join(out.split())


def test_the_page_has_the_table() -> None:
    lines = (ROOT / "docs/proofs.md").read_text(encoding="utf-8").splitlines()
    rows = lines[lines.index(HEAD) + 2 :]
    names = [row.split(" | ")[0].strip("| ") for row in rows[: rows.index("")]]
    assert [*SPACES, "together"] == names
