"""The page of a campaign."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from math import inf
from pathlib import Path
from xml.etree import ElementTree

import pytest

from stress.campaign.report.content import sections
from stress.campaign.report.facts import Facts, Known, gather
from stress.campaign.report.html import curve, html, known, matrix, verdict
from stress.cli.main import main
from stress.trace.chart import rounded
from tests.stress import pages
from tests.stress.campaign_toys import TOYS
from tests.stress.report.directories import made, patch_file

BYTES_MAX = 5 << 20
"""Of a page with 200 failures."""

HOSTILE = "</pre></script><script>alert(1)</script>\" onload='x' &amp; \x1b[31m\u202e"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign with a patch that loses updates, and a deadlock that is the kernel's own."""
    folder = tmp_path_factory.mktemp("html")
    return made(folder, "--patch", str(patch_file(folder)))


@pytest.fixture(scope="module")
def facts(directory: Path) -> Facts:
    return gather(directory)


def test_the_page_says_what_the_mail_says(facts: Facts) -> None:
    page = pages.read(html(facts))
    for section in sections(facts):
        assert section.title in page.text
        assert all(" ".join(point.text.split()) in page.text for point in section.points)
    assert "BUG: lost-update in toy_increment / toy_increment" in page.text
    assert all(cell.scenario in page.text for cell in facts.cells)
    assert "component = 'counter'" in page.text, "the patch's text"


def test_no_sentence_scrolls_sideways(facts: Facts) -> None:
    """A caption is as wide as its table, which is wider than a phone."""
    captions = re.findall("<caption>(.*?)</caption>", html(facts), re.DOTALL)
    assert captions and all(len(caption) <= 80 for caption in captions)


def test_a_copy_gives_the_same_page(directory: Path, facts: Facts, tmp_path: Path) -> None:
    shutil.copytree(directory, tmp_path / "copy")
    assert html(facts) == html(gather(tmp_path / "copy"))


def test_what_strangers_say_is_text(facts: Facts) -> None:
    found = replace(facts.findings[0], message=HOSTILE, title=HOSTILE, page=HOSTILE, scenario=HOSTILE)
    odd = replace(
        facts,
        findings=(found,),
        patch=(HOSTILE,),
        texts=(replace(facts.texts[0], text=HOSTILE, path=HOSTILE),),
        cells=tuple(replace(cell, scenario=HOSTILE, profile=HOSTILE) for cell in facts.cells),
        pairs={f"{HOSTILE} / munmap": 1},
        sites_unreached=(HOSTILE,),
        unreachable={HOSTILE: HOSTILE},
    )
    page = pages.read(html(odd))
    assert 1 == len(page.all("script")) and "alert(1)" in page.text and "\x1b" not in page.text


def test_a_page_with_many_failures_is_small(facts: Facts) -> None:
    """Two hundred, each with a page as long as one can be."""
    long = "\n".join(f"{number:>5}  {'x' * 112}" for number in range(52))
    found = tuple(replace(facts.findings[0], signature=f"{number:08x}", page=long) for number in range(200))
    assert len(html(replace(facts, findings=found)).encode()) < BYTES_MAX


def test_verdicts(facts: Facts) -> None:
    found = facts.findings[0]
    for changed, tone in (
        ((replace(found, unpatched=False),), "bad"),
        ((replace(found, unpatched=True),), "warn"),
        ((replace(found, expected="known"),), "good"),
        ((), "good"),
    ):
        assert tone == verdict(replace(facts, findings=changed)).tone
    assert "Nothing is known" in verdict(replace(facts, findings=(), inconclusive=facts.executions)).words


def test_the_curve_of_classes(facts: Facts) -> None:
    """From what was kept to what is known by now; the sentence tells it to who does not see it."""
    grown = (Known(1.0, 10, 9), Known(50.0, 500, 90))
    odd = replace(facts, growth=grown, elapsed_s=120.0, measured=2000, classes=100)
    page = pages.read(html(odd))
    assert (
        "100 classes of executions were known after 2 min. The second half of the time has brought 10 of" in page.text
    )
    assert [Known(1.0, 10, 9), Known(50.0, 500, 90), Known(120.0, 2000, 100)] == known(odd)
    (picture,) = ElementTree.fromstring(f"<x>{curve(odd)}</x>")
    lines = [path.get("d", "").count("L") for path in picture if "line" in path.get("class", "").split()]
    words = [text.text for text in picture if text.tag.endswith("text")]
    assert [2, 2] == lines and ["0", "500", "1,000", "1,500", "2,000"] == words[:5] and "minutes" in words
    assert "" == curve(replace(odd, growth=())) == curve(replace(odd, measured=0))
    for time in (0.0, -1.0, 5e-324, inf):
        assert "" == curve(replace(odd, growth=(Known(-2.0, 1, 1), Known(-inf, 1, 1)), elapsed_s=time))


@pytest.mark.parametrize(("least", "round"), [(0.25, 0.5), (1, 1), (1.1, 2), (2.5, 5), (30, 50), (600, 1000)])
def test_ticks_are_round(least: float, round: float) -> None:
    assert round == pytest.approx(rounded(least))


def test_pairs_are_a_table() -> None:
    found = matrix({"munmap / fault": 1000, "fault / munmap": 1, "odd": 3})
    assert ["fault", "munmap"] == found.names
    assert [("fault", [(0, 0), (1, 1)]), ("munmap", [(1000, 4), (0, 0)])] == found.rows


def test_the_command(directory: Path, facts: Facts, tmp_path: Path) -> None:
    assert 0 == main(["report", str(directory), "--format", "html", "--output", str(tmp_path / "r.html")], TOYS)
    assert html(facts) == (tmp_path / "r.html").read_text()
