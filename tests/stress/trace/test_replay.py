"""Replay: strict, tolerant, without faults, continued; under either driver, in other processes; and
what a divergence says.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sim.core.machine import site
from stress.case import Case
from stress.errors import Divergence, UsageError
from stress.execution.outcome import CHECK_BYTES
from stress.execution.runner import open_runner
from stress.execution.signature import signature_of
from stress.machine.chance import RandomData
from stress.patch.typed import Typed
from stress.trace import replay as replay_module
from stress.trace.file import decode, encode, save
from stress.trace.record import Trace, capture
from stress.trace.replay import Mode, case_of, compare, first_difference, replay
from stress.trace.report import page
from tests.toy import TOYS

ROOT = Path(__file__).resolve().parents[3]
CHILD = "import sys; from tests.toy import TOYS; from stress.cli.main import main; sys.exit(main(catalogue=TOYS))"
RECORDED = (
    "WkFQVFJBQ0UDAIwBAAAAAAAAqcfKINlnknHIsS02uVf6GXjadVE9bxNBEHWIJWqkSOlQNEUq49yX74uSjpoOJdZ4dva8yt6ddbuHYlkWFRINFR0V"
    "fwkEKfg1zMYm0LDVmzczT2/efp7ugNAx1DvQOFrvoH4Lb6IYrmfQcN+yH7ZQg2vRWpjBLQ8dWyHyeSXlBgdsw8p1wJ7WRzj02lgRBd9vZcwRdziY"
    "XogWjV31d7CfgTINOy9ckaXpKq+I9IoSnUQFZYuI8xyLOM0UF6LAnTJdE1wi0ehYyZrQtGYSS4fi1nSBJsvYSdmyc9jwoTcwur47YGeaDv04HFve"
    "eHuE7wx50wYs9tpesV2u0clRUEZKc5aWKtG8WJSYUa4TqhKdplywjuHx/t3fu4QMMTzksw8DYvxPWFu/fvCTzuNkHv+T0fKQ3P9lHIfrqzIgP26g"
    "1mgdS9WPA4UpKBRWKq5oRblYXKRB3fNGWnF+hMsW76BOInmBGdBzE/55Qx7205Onkyenp5Pp5OL7s68/km8nbXz/6dfs9fnz8tXVx/c3lx9evLz5"
    "crU8+/kbZbGwiA=="
)
"""A trace of the toy as it was once recorded."""

BROKEN = Case("counters", (("rounds", 2),), "toy", faults=("T01",))


async def find(case: Case, kind: str = "violation", steps_max: int = 500, strategy: str = "random") -> Trace:
    """Return the trace of the first execution of ``case`` that ends so."""
    async with open_runner(case, steps_max=steps_max, catalogue=TOYS) as runner:
        for seed in range(200):
            outcome = runner.run(TOYS.strategy(strategy), seed, RandomData(seed))
            if outcome.verdict.kind == kind:
                return capture(outcome, strategy)
    raise AssertionError(f"no {kind} found")


@pytest.mark.parametrize("driver", ["fast", "reference"])
@pytest.mark.parametrize("scenario", ["counters", "mailbox", "abba", "forgotten", "spin", "broken_setup"])
async def test_strict(scenario: str, driver: str) -> None:
    """Every kind of failure replays to the same steps, verdict and final state."""
    trace = await find(Case(scenario, (), "toy", faults=("T01",)), steps_max=60)
    async with replay(trace, Mode(driver), TOYS) as replayed:
        compare(trace, replayed.outcome)
        assert signature_of(replayed.outcome) == trace.ending.signature
        assert replayed.diverged == -1


async def test_inconclusive_replays() -> None:
    """So does an execution that ran out of its budget, the fair turns included."""
    trace = await find(Case("endless", (), "toy"), "inconclusive", 40)
    async with replay(trace, catalogue=TOYS) as replayed:
        compare(trace, replayed.outcome)
        assert ("inconclusive", trace.steps) == (replayed.outcome.verdict.kind, replayed.outcome.steps)


async def test_without_faults_is_clean() -> None:
    """The same tapes on the kernel without the fault end clean."""
    trace = await find(BROKEN)
    async with replay(trace, Mode(without_faults=True), TOYS) as replayed:
        assert replayed.outcome.verdict.kind == "clean"
        assert replayed.outcome.finished.case.faults == ()


async def test_tolerant_takes_an_edited_schedule() -> None:
    """A schedule with holes still runs to an end, the data tapes in place, and says where it left
    the tape.
    """
    trace = await find(BROKEN)
    edited = replace(trace, schedule=trace.schedule[:2])
    async with replay(edited, Mode(tolerant=True), TOYS) as replayed:
        assert replayed.outcome.verdict.kind in ("clean", "violation")
        assert replayed.diverged == sum(steps for _, steps in edited.schedule)
    with pytest.raises(Divergence, match="the trace wants the end"):
        async with replay(edited, catalogue=TOYS):
            pass


async def test_continue_with() -> None:
    """A strategy goes on where the tape ends, and the whole is a trace again."""
    trace = await find(BROKEN)
    start = replace(trace, schedule=trace.schedule[:2])
    async with replay(start, Mode(then=TOYS.strategy("random")), TOYS) as replayed:
        whole = capture(replayed.outcome, "random")
    assert whole.schedule[:1] == trace.schedule[:1]
    async with replay(whole, catalogue=TOYS) as replayed:
        compare(whole, replayed.outcome)


async def test_first_step_that_differs_is_named() -> None:
    """A step check that does not fit names the step, its actor and its site."""
    trace = await find(BROKEN)
    at = 4
    checks = bytearray(trace.checks)
    for byte in range(at * CHECK_BYTES, len(checks)):
        checks[byte] ^= 0x5A
    async with replay(trace, catalogue=TOYS) as replayed:
        assert first_difference(replace(trace, checks=bytes(checks)), replayed.outcome) == at
        with pytest.raises(
            Divergence,
            match=r"step 5 differs from the trace: here cpu\d t\d made toy_increment: "
            r"\w+ counter on counter\[0\], value \d+;",
        ):
            compare(replace(trace, checks=bytes(checks)), replayed.outcome)


async def test_every_other_difference_is_told() -> None:
    """Too few steps, too many, another digest, verdict, signature or final state."""
    trace = await find(BROKEN)
    lies = {
        "was not made": replace(trace, steps=trace.steps + 1, checks=trace.checks + b"ab"),
        "is one too many": replace(trace, steps=trace.steps - 1, checks=trace.checks[:-CHECK_BYTES]),
        "but its digest is": replace(trace, digest="00"),
        "but its verdict is violation and was clean": replace(trace, ending=replace(trace.ending, kind="clean")),
        "but its signature is": replace(trace, ending=replace(trace.ending, signature="00")),
        "but the state that it leaves is": replace(trace, model_hash="00"),
    }
    async with replay(trace, catalogue=TOYS) as replayed:
        for words, lie in lies.items():
            with pytest.raises(Divergence, match=words) as caught:
                compare(lie, replayed.outcome)
            assert "\n" not in str(caught.value)
            assert caught.value.exit_status == 5


async def test_the_cause_of_a_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that has changed is told from one that is not deterministic."""
    trace = await find(BROKEN)
    async with replay(trace, catalogue=TOYS) as replayed:
        with pytest.raises(Divergence, match="not deterministic"):
            compare(replace(trace, digest="00"), replayed.outcome)
        monkeypatch.setattr(replay_module, "sources_hash", lambda: "another")
        with pytest.raises(Divergence, match="the model has changed since the trace was made, so try --tolerant"):
            compare(replace(trace, digest="00"), replayed.outcome)


async def test_a_schedule_that_cannot_be_followed_names_the_step() -> None:
    """Where an early step differs and a later choice is impossible, the early one is named."""
    trace = await find(BROKEN)
    flipped = tuple((1 - slot, steps) if slot < 2 else (slot, steps) for slot, steps in trace.schedule)
    with pytest.raises(Divergence, match=r"step 1 differs from the trace"):
        async with replay(replace(trace, schedule=(*flipped[:1], (4, 3))), catalogue=TOYS):
            pass


def test_a_file_in_a_trace_is_not_run_unasked(tmp_path: Path) -> None:
    """A trace from a stranger cannot make us import a file."""
    case = replace(BROKEN, patch=("evil.py:Evil",))
    trace = Trace(case, 0, "random", 9, "", "", None, False, 0, "", "", (), {}, b"")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="only if you name its file: --patch evil.py:Evil"):
        case_of(trace, Mode())
    assert case_of(trace, Mode(patch=("mine.py",))).patch == ("mine.py",)
    assert case_of(trace, Mode(without_faults=True)).patch == ()


@pytest.mark.parametrize("hash_seed", ["1", "4242"])
@pytest.mark.parametrize("driver", ["fast", "reference"])
async def test_in_another_process(tmp_path: Path, hash_seed: str, driver: str) -> None:
    """The digest and the final state are the same in another process with another hash seed."""
    site("declared_here_only", f"so that sites have other numbers in this process {hash_seed}")
    trace = await find(BROKEN)
    save(trace, tmp_path / "trace")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, "replay", str(tmp_path / "trace"), "--json", "--driver", driver],
        cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert (found["digest"], found["model_hash"], found["signature"], found["same"]) == (
        trace.digest,
        trace.model_hash,
        trace.ending.signature,
        True,
    )


@pytest.mark.parametrize("driver", ["fast", "reference"])
async def test_recorded_trace(driver: str) -> None:
    """A trace that was recorded long ago, by another Python on another machine, replays to the
    letter.
    """
    trace = decode(base64.b64decode(RECORDED), "recorded")
    async with replay(trace, Mode(driver), TOYS) as replayed:
        compare(trace, replayed.outcome)
        assert (trace.ending.signature, trace.steps) == (signature_of(replayed.outcome), replayed.outcome.steps)


async def test_the_page_is_made_from_the_trace_alone() -> None:
    """Two replays draw the same page, under either driver."""
    trace = await find(BROKEN)
    pages = set()
    for driver in ("fast", "reference"):
        async with replay(trace, Mode(driver), TOYS) as replayed:
            pages.add(page(replayed, Typed("t")))
    assert len(pages) == 1


async def test_a_trace_of_an_earlier_revision_is_refused_with_the_reason() -> None:
    """What 6.18 stood for is another kernel now; a kernel that is named is taken."""
    old = replace(await find(BROKEN), case=replace(BROKEN, kernel="6.18"), revision=1)
    with pytest.raises(UsageError, match=r"revision 1 of kernel 6\.18, and this is revision 2: .* is 6\.18-flushfirst"):
        case_of(old, Mode(tolerant=True))
    assert "6.18-flushfirst" == case_of(old, Mode(kernel="6.18-flushfirst")).kernel
    assert "6.18" == case_of(replace(old, revision=2), Mode()).kernel


async def test_a_trace_keeps_the_revision_of_its_kernel() -> None:
    async with open_runner(Case("lazy_cpu", (("other", 0), ("unmap", 0)), "x86-64", kernel="6.18")) as runner:
        trace = capture(runner.run(TOYS.strategy("random"), 0, RandomData(0)), "random")
    assert 2 == trace.revision == decode(encode(trace), "t").revision
