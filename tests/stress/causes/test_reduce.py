"""What a campaign makes of a new failure beside its search, and where that is shown."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from stress.campaign.directory import form_of, has_form, keep, keep_form, kept_files
from stress.campaign.errands import Errands, Reduction
from stress.campaign.report.facts import gather
from stress.campaign.report.html import html
from stress.campaign.report.mail import mail
from stress.campaign.store import Store
from stress.campaign.summary import summary, text
from stress.catalogue import CATALOGUE
from stress.cli.main import main
from stress.machine.driver import run_plain
from stress.trace.evidence import evidence
from stress.trace.explanation import explanation_of
from stress.trace.file import decode, load
from stress.workers.causes.reduce import reduced
from stress.workers.messages import Failure, ReduceAnswer, ReduceOrder
from stress.workers.settings import Settings
from tests.stress.causes.failures import failure

SETTINGS = Settings(seed=1, scenarios=("munmap_vs_writeback",), profiles=("x86-64",), faults=("C02",))
HOUR = 3600.0


@pytest.fixture(scope="module")
def answer() -> ReduceAnswer:
    """What a worker answers of C02."""
    return run_plain(reduced(failure("C02"), 1.0, None, CATALOGUE))


async def found() -> Failure:
    """Return the failure as a worker sends it."""
    trace = failure("C02")
    made = await evidence(trace, "results/trace", CATALOGUE)
    ending = trace.ending
    return Failure(
        signature=ending.signature,
        checker=ending.checker,
        title=ending.title,
        strategy="pct",
        seed=trace.seed,
        trace=made.trace,
        report=made.report,
        environment=made.environment,
    )


@contextmanager
def campaign(folder: Path, until: float | None) -> Iterator[tuple[Store, Errands]]:
    """Open a directory in which C02 was found."""
    with Store(folder, SETTINGS.plain()) as store:
        numbers = store.add_cases([failure("C02").case])
        store.begin_session()
        store.fail(next(iter(numbers.values())), found_once())
        yield store, Errands(store, SETTINGS, {number: case for case, number in numbers.items()}, until)


def found_once() -> Failure:
    """Return the failure, as ordinary code wants it."""
    return trio.run(found)


def test_a_worker_answers_with_the_form(answer: ReduceAnswer) -> None:
    """It replays in a fresh process, and its page says why it fails."""
    form = decode(answer.trace, "the form")
    assert "" == answer.why
    assert failure("C02").ending.signature == form.ending.signature
    assert form.steps < failure("C02").steps
    assert re.search("  why     (munmap|dontneed) lowers mapcount", answer.report)
    assert "zapstress replay failures/cfbec4dc/shrunk\n" in answer.report
    assert "in between" in explanation_of(answer.explanation).sentence


def test_what_cannot_be_reduced_is_told() -> None:
    """The kernel without the fault does not show the failure: the answer says so, and no worker
    fails.
    """
    trace = replace(failure("C02"), case=replace(failure("C02").case, faults=()))
    answer = run_plain(reduced(trace, 1.0, None, CATALOGUE))
    assert "does not show its failure" in answer.why and not answer.trace


def test_a_campaign_with_a_duration_reduces_each_signature_once(tmp_path: Path, answer: ReduceAnswer) -> None:
    """It is handed out beside leases, and not waited for."""
    with campaign(tmp_path, time.monotonic() + HOUR) as (store, errands):
        assert not errands.left(late=False)
        assert errands.order(0, late=False, eager=False) is None
        assert errands.order(0, late=True, eager=True) is None
        order = errands.order(0, late=False, eager=True)
        assert isinstance(order, ReduceOrder) and 0 < order.seconds <= 3
        assert errands.left(late=False)
        errands.look()
        assert errands.order(1, late=False, eager=True) is None
        assert errands.answer(0, answer)
        assert not errands.left(late=False)
        assert has_form(tmp_path, "cfbec4dc")
        again = Errands(store, SETTINGS, errands.cases, time.monotonic() + HOUR)
        assert not again.reductions


def test_a_campaign_near_its_end_or_without_one_reduces_nothing(tmp_path: Path) -> None:
    with campaign(tmp_path / "one", time.monotonic() + 1) as (_, errands):
        assert [Reduction] == [type(errand) for errand in errands.reductions]
        assert errands.order(0, late=False, eager=True) is None
    with campaign(tmp_path / "other", None) as (_, errands):
        assert not errands.reductions
    with campaign(tmp_path / "third", time.monotonic() + HOUR) as (_, errands):
        errands.no_more_reductions()
        assert errands.order(0, late=False, eager=True) is None


def test_the_form_stands_first_everywhere(
    tmp_path: Path, answer: ReduceAnswer, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the summary, in reports, and in what is shown of the folder."""
    sentence = answer.explanation["sentence"]
    with campaign(tmp_path, None) as (store, _):
        (row,) = summary(store)["violations"]
        assert row["shrunk"] is None and row["explanation"] is None
        keep_form(tmp_path, "cfbec4dc", answer)
        data = summary(store)
        (row,) = data["violations"]
        assert str(tmp_path / "failures" / "cfbec4dc" / "shrunk") == row["shrunk"]
        assert sentence == row["explanation"]["sentence"]
        assert sentence in text(data)
    (finding,) = gather(tmp_path).findings
    assert answer.report == finding.page and "seed" in finding.whole and finding.whole != finding.page
    assert sentence in " ".join(mail(gather(tmp_path)).split())
    page = html(gather(tmp_path))
    assert page.index("The interleaving") < page.index("As it was found")
    folder = str(tmp_path / "failures" / "cfbec4dc")
    assert 0 == main(["show", folder, "--json"])
    shown = json.loads(capsys.readouterr().out)
    assert load(f"{folder}/shrunk").steps == shown["steps"] and sentence == shown["explanation"]["sentence"]
    assert 0 == main(["report", folder])
    page = capsys.readouterr().out
    assert page.index("<h2>Why</h2>") < page.index("As it was found")


def test_a_new_first_failure_takes_the_old_form_away(tmp_path: Path, answer: ReduceAnswer) -> None:
    """A form belongs to the trace beside it."""
    with campaign(tmp_path, None):
        keep_form(tmp_path, "cfbec4dc", answer)
        assert {"shrunk", "shrunk.txt", "explanation.json"} < set(kept_files(tmp_path, "cfbec4dc"))
        keep(tmp_path, found_once())
        assert not has_form(tmp_path, "cfbec4dc")
        assert {"shrunk": None, "explanation": None} == form_of(tmp_path, "cfbec4dc")


def test_a_damaged_explanation_is_none(tmp_path: Path, answer: ReduceAnswer) -> None:
    """The form is there all the same."""
    keep_form(tmp_path, "cfbec4dc", answer)
    (tmp_path / "failures" / "cfbec4dc" / "explanation.json").write_text('{"sentence": 3}')
    assert form_of(tmp_path, "cfbec4dc")["explanation"] is None
    assert form_of(tmp_path, "cfbec4dc")["shrunk"] is not None
