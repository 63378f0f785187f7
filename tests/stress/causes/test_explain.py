"""Why a failure comes about: every ordering is verified here once more, by its curing execution."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.catalogue import CATALOGUE
from stress.cli.main import main
from stress.errors import UsageError
from stress.execution.runner import open_runner
from stress.execution.signature import signature_of
from stress.machine.chance import TapeData
from stress.machine.driver import run_plain
from stress.strategies.prefix import Prefix
from stress.trace.explanation import Explanation, chance_line, explanation_of, lines, predicate
from stress.trace.file import save
from stress.trace.record import Ending, Trace
from stress.workers.causes.attempts import Deadline
from stress.workers.causes.chances import cut
from stress.workers.causes.explain import after, explain, slots_of
from tests.stress.causes.failures import failure
from tests.stress.causes.test_shrink import HOUR, Deletion

FAULTS = ("C02", "M08", "M14", "M18", "M21")
RUNS = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 9)), max_size=8)


@cache
def shrunk(fault: str) -> Trace:
    """Return a small failure of a fault."""
    return run_plain(Deletion(failure(fault), Deadline(HOUR)).run()).trace


@cache
def explained(fault: str) -> Explanation:
    """Return why it fails."""
    return run_plain(explain(shrunk(fault), Deadline(HOUR), None, CATALOGUE))


async def endings(trace: Trace, found: Explanation) -> list[str]:
    """Return how the schedules of an explanation's orderings end."""
    made = []
    async with open_runner(trace.case, "plain") as runner:
        for one in found.orderings:
            outcome = runner.run(Prefix(one.schedule), 0, TapeData(trace.tapes))
            assert outcome.schedule() == list(one.schedule)
            made.append(signature_of(outcome) or outcome.verdict.kind)
    return made


@pytest.mark.parametrize("fault", FAULTS)
def test_every_ordering_cures(fault: str) -> None:
    """The schedule in which it is swapped ends as is said, and not with the failure."""
    trace, found = shrunk(fault), explained(fault)
    ends = run_plain(endings(trace, found))
    assert [one.ends for one in found.orderings] == ends
    assert trace.ending.signature not in ends
    assert len(found.orderings) <= 3
    assert all(one.before.step < one.after.step and one.before.actor != one.after.actor for one in found.orderings)


def test_the_delayed_rmap() -> None:
    """The mapcount is gone before the flush, and write-out looks in between."""
    found = explained("C02")
    assert [
        ("folio_remove_rmap_ptes", "folio_mapped"),
        ("folio_clear_dirty_for_io", "invalidate"),
    ] == [(one.before.function, one.after.function) for one in found.orderings]
    assert ["clean", "clean"] == [one.ends for one in found.orderings]
    assert (
        "munmap lowers mapcount (folio_remove_rmap_ptes) before hw1 drops TLB entry (invalidate),"
        " and writeback reads mapcount (folio_mapped) in between." == found.sentence
    )
    (belief,) = found.beliefs
    assert ("tlb[1]", "none", "cpu0 munmap", 0) == (belief.actor, belief.true, belief.writer, belief.read_at)


def test_a_failure_of_one_actor_hangs_on_no_order() -> None:
    """Every continuation fails, from the start."""
    found = explained("M18")
    assert () == found.orderings
    assert found.sentence.startswith("munmap does it by itself, in no particular order of steps: ")
    assert {1.0} == set(found.chances) and 0 == found.no_return
    assert "all fail from the start" in chance_line(found)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_chance_ends_at_one(fault: str) -> None:
    """There is one after each step and before the first."""
    found = explained(fault)
    assert shrunk(fault).steps + 1 == len(found.chances)
    assert 1.0 == found.chances[-1] and all(0 <= chance <= 1 for chance in found.chances)
    assert found.no_return is not None
    assert {1.0} == set(found.chances[found.no_return :])


def test_what_was_not_looked_for_is_not_denied() -> None:
    """Without time nothing is said of orders."""
    found = run_plain(explain(shrunk("C02"), Deadline(0), None, CATALOGUE))
    assert not found.complete and not found.orderings and not found.chances
    assert "The time was up" in found.sentence and "by itself" not in found.sentence


def test_a_clean_trace_is_refused() -> None:
    clean = replace(shrunk("C02"), ending=Ending("clean"))
    with pytest.raises(UsageError, match="nothing to explain"):
        run_plain(explain(clean, Deadline(HOUR), None, CATALOGUE))


@pytest.mark.parametrize("fault", FAULTS)
def test_plain_data_and_back(fault: str) -> None:
    """Through JSON, as in a failure's folder."""
    plain = json.loads(json.dumps(explained(fault).plain()))
    assert explained(fault) == explanation_of(plain)
    assert ["why"] == [name for name, _ in lines(explained(fault), shrunk(fault).steps)][:1]


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("clear pte", "clears pte"),
        ("mapcount -1", "lowers mapcount"),
        ("nr_pages_mapped +1", "raises nr_pages_mapped"),
        ("publish", "publishes"),
        ("re-read pmd", "re-reads pmd"),
        ("no step yet", "is at 'no step yet'"),
        ("carry on", "carries on"),
    ],
)
def test_labels_in_the_third_person(label: str, words: str) -> None:
    assert words == predicate(label)


@given(RUNS, st.integers(0, 80))
def test_a_schedule_is_cut_in_two(runs: list[tuple[int, int]], step: int) -> None:
    """Before a step, and behind it."""
    assert slots_of(runs)[:step] == slots_of(cut(runs, step))
    assert slots_of(runs)[step:] == slots_of(after(runs, step))


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a failure's folder the smallest form is explained, and that is kept beside it."""
    save(failure("C02"), tmp_path / "trace")
    save(shrunk("C02"), tmp_path / "shrunk")
    assert 0 == main(["explain", str(tmp_path), "--no-native", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert explained("C02").sentence == found["sentence"]
    assert shrunk("C02").steps == found["steps"] == found["orderings"][1]["before"]["step"]
    assert explained("C02") == explanation_of(json.loads((tmp_path / "explanation.json").read_text()))
    assert found["page"].count("  order   ") == 2 and "  why     munmap lowers" in found["page"]


def test_command_shrinks_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And says that of the form which it has found, or of the trace itself if it is told to."""
    save(failure("C02"), tmp_path / "trace")
    assert 0 == main(["explain", str(tmp_path / "trace"), "--no-native", "--seconds", "2", "--json"])
    small = json.loads(capsys.readouterr().out)
    assert 0 == main(["explain", str(tmp_path / "trace"), "--no-native", "--as-it-is", "--json"])
    whole = json.loads(capsys.readouterr().out)
    assert small["steps"] < whole["steps"] == failure("C02").steps
    assert small["signature"] == whole["signature"]
