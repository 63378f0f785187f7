"""Metrics: declared once, and documented, measured, sent, kept, added up and shown by that."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import trio

from stress.execution.runner import Runner, open_runner
from stress.machine.chance import RandomData
from stress.sources import ROOT
from stress.workers.clock import Clock
from stress.workers.measure.shown import Shown
from stress.workers.messages import Batch
from stress.workers.metrics import CONFLICTS_EVERY, METRICS, table
from stress.workers.tally import Tally
from tests.stress.campaign_toys import LEASE
from tests.toy import TOYS

COMMAND = (
    "import sys; from stress.cli.main import main; from tests.stress.metric_toys import TOYS;"
    " sys.exit(main(sys.argv[1:], TOYS))"
)


def test_every_metric_has_its_row_in_the_docs() -> None:
    text = (ROOT / "docs/file-formats.md").read_text()
    section = text[text.index("### Metrics") : text.index("## What `--json` prints")]
    assert table() == [line for line in section.splitlines() if line.startswith("| `")]


def test_metrics_that_are_declared_come_out_as_json(tmp_path: Path) -> None:
    """One of each kind, in a supervisor and in workers that are processes of their own."""
    words = ["campaign", "--scenario", "counters", "endless", "--executions", "12", "--workers", "2"]
    command = [sys.executable, "-c", COMMAND, *words, "--machine", "lockstep", "--dir", str(tmp_path), "--json"]
    for runs in (1, 2):
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert 0 == done.returncode, done.stderr
        data: dict[str, Any] = json.loads(done.stdout)
        assert runs * 12 == data["executions"] == sum(data["verdicts"].values())
        assert data["inconclusive"] == data["verdicts"]["inconclusive"] > 0
        assert data["longest"] == data["machines"]["lockstep"]["longest"] >= data["steps"] / data["executions"]
        assert 1 < data["distinct_lengths"] <= 1 + data["verdicts"]["clean"]


def batches(executions: int, every: int) -> list[Batch]:
    """Return the answers of a tally of toys that is asked after every so many executions."""

    async def run() -> list[Batch]:
        async with open_runner(LEASE.case, catalogue=TOYS) as runner:
            return list(answers(runner))

    def answers(runner: Runner) -> list[Batch]:
        tally = Tally(LEASE, runner, set(), Clock())
        strategy = TOYS.strategy("random")
        found = []
        for seed in range(executions):
            tally.add(runner.run(strategy, seed, RandomData(seed)), seed)
            tally.add_measured(Shown(seed % 7, states=(seed, seed % 3)), None)
            if (seed + 1) % every == 0:
                found.append(tally.batch(last=seed + 1 == executions))
        return found

    return trio.run(run)


def test_answers_add_up_whenever_they_are_sent() -> None:
    """Two answers in place of one: the same sums, no hash twice, as many executions sampled."""
    (whole,), halves = batches(40, 40), batches(40, 20)
    assert [20, 20] == [half.done for half in halves] and [False, True] == [half.last for half in halves]
    assert 40 == whole.numbers["executions"] and whole.numbers["steps"] == sum(h.numbers["steps"] for h in halves)
    for name in ("visits", "conflicts"):
        keys = set().union(*(half.counts[name] for half in halves if name in half.counts))
        assert whole.counts[name] == {key: sum(h.counts.get(name, {}).get(key, 0) for h in halves) for key in keys}
    assert max(whole.counts["conflicts"].values()) <= 1 + 40 // CONFLICTS_EVERY
    hashes = [value for half in halves for value in half.hashes.get("classes", ())]
    assert len(set(hashes)) == len(hashes) and set(hashes) == set(whole.hashes["classes"])
    assert (7, 40) == (len(hashes), len(whole.hashes["states"])) and "reads_from" not in whole.hashes


def test_a_machine_has_its_own_metrics() -> None:
    (answer,) = batches(1, 1)
    assert "pauses" in METRICS and "pauses" not in answer.numbers
