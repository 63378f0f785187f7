"""The report of a campaign: its facts, the mail, the Markdown, and the command."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from stress.campaign import supervisor
from stress.campaign.directory import EXPECTED, expect
from stress.campaign.report.content import Point, sections
from stress.campaign.report.facts import CellFacts, Facts, Where, gather
from stress.campaign.report.mail import COLUMNS, lines_of, mail, shell_lines
from stress.campaign.report.markdown import markdown
from stress.cli.main import main
from stress.output import chance_words, number_words, plural, time_words
from stress.trace.explanation import Explanation, Moment, Ordering
from tests.stress.campaign_toys import TOYS
from tests.stress.report.directories import made, patch_file

MAIL = """\
zapstress: mine.py, fault T01 on kernel 6.9

Tested
------
- Patch: mine.py (hashes of its texts: mine.py 0123456789abcdef)
- Kernel: 6.9, faults T01
- Profiles: toy
- Scenarios: 3
- zapstress 0.1.0, model 00112233, strategy portfolio, machine lockstep
- 12,345 executions, 1,234,567 steps in 2 h 5 min (2 runs; the last:
  done)
- Commands: typed in the results directory.

What ran of the patch
---------------------
- counter.increment ran 430 times, on toy; in abba, counters, mailbox
- counter.reset never ran, so nothing is known of it

Proved
------
- cases on toy: counters 1 of 2
- Every interleaving was executed, sequentially consistent, in a world
  of this size; certificates: proofs/

Sampled
-------
- 3 of 5 cases (a scenario with its parameters on a profile), 51 classes
  of executions among 700 measured; 12 step sites reached, 1 not; 2
  ordered pairs of operations overlapped.
- The least sampled opened case had 59 executions (abba on toy). A
  failure that was not seen has, in each opened case, a chance per
  execution of 0.05 at most, with 95% confidence, under the schedules
  that these strategies draw.
- The chance that the next execution shows a class not seen before is at
  most 0.12 (95 %). Of 2 of 3 pairs of scenario and profile it is known,
  and largest for abba on toy: 0.5.
- 7 executions ran out of steps before a verdict.

Never opened
------------
- cases on toy: mailbox 2

Found
-----
- 28c6e1ac lost-update (T1) in toy_increment: counter 0 is 2 after 3
  increments. Seen 26 times: counters on toy. First after 1 execution of
  its case, by pct.
    zapstress show failures/28c6e1ac --patch code/mine.py

The unpatched kernel shows these too
------------------------------------
- b89d4a60 deadlock (deadlock) in toy_lock: t0 waits for t1. Seen 1
  time: abba on toy. First after 14 executions of its case, by pct.
    zapstress show failures/b89d4a60 --patch code/mine.py

To run it again
---------------
- The same search:
    zapstress campaign --seed 0x5 --kernel 6.9 --scenario abba \\
      counters mailbox --profile toy --fault T01 --machine lockstep \\
      --executions 12345 --patch code/mine.py
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A campaign with a patch that loses updates, and a deadlock that is the kernel's own."""
    folder = tmp_path_factory.mktemp("report")
    return made(folder, "--patch", str(patch_file(folder)))


@pytest.fixture(scope="module")
def facts(directory: Path) -> Facts:
    return gather(directory)


def settled(facts: Facts) -> Facts:
    """Return facts of which nothing depends on this machine, or on how fast it is."""
    lost = next(found for found in facts.findings if found.title == "lost-update")
    deadlock = next(found for found in facts.findings if found.title == "deadlock")
    return replace(
        facts,
        patch=("mine.py",),
        faults=("T01",),
        texts=(replace(facts.texts[0], path="folder/mine.py", hash="0123456789abcdef"),),
        overrides=(replace(facts.overrides[0], runs=430), facts.overrides[1]),
        generations=(replace(facts.code, zapstress="0.1.0", model="00112233"),),
        executions=12345,
        steps=1234567,
        inconclusive=7,
        elapsed_s=7503.2,
        sessions=2,
        measured=700,
        classes=51,
        risk=0.125,
        sites_reached=12,
        sites_unreached=("a",),
        unreachable={},
        pairs={"munmap / fault": 3, "fault / munmap": 1},
        cells=(
            CellFacts("abba", "toy", 1, 1, 59, 7, 59, 0, 0.5, 1),
            CellFacts("counters", "toy", 2, 2, 12286, 0, 6000, 1, 0.0125, 1),
            CellFacts("mailbox", "toy", 2, 0, 0, 0, 0, 0, 1.0, 0),
        ),
        findings=(
            replace(lost, count=26, first=1, strategy="pct", unpatched=False, accused="toy_increment: write",
                    victim="", where=(Where("counters", "toy", 26),), message="counter 0 is 2 after 3 increments"),
            replace(deadlock, count=1, first=14, strategy="pct", unpatched=True, accused="toy_lock: lock", victim="",
                    where=(Where("abba", "toy", 1),), message="t0 waits for t1"),
        ),
    )  # fmt: skip


# -- facts ---------------------------------------------------------------------------------------------------------


def test_facts_are_those_of_the_summary(directory: Path, facts: Facts, capsys: pytest.CaptureFixture[str]) -> None:
    assert 1 == main(["status", str(directory), "--json"], TOYS)
    data = json.loads(capsys.readouterr().out)
    assert data["executions"] == facts.executions == sum(cell.executions for cell in facts.cells)
    assert data["cells"] == {
        name: {cell.profile: cell.executions for cell in facts.cells if cell.scenario == name}
        for name in facts.scenarios
    }
    assert data["cases"]["opened"] == sum(cell.opened for cell in facts.cells)
    assert data["cases"]["executions_min"] == min(cell.fewest for cell in facts.cells)
    for row, found in zip(data["violations"], facts.findings, strict=True):
        assert (row["signature"], row["count"]) == (found.signature, sum(place.count for place in found.where))
        assert row["trace"] == str(directory / (found.trace or ""))


def test_a_copy_gives_the_same_bytes(directory: Path, tmp_path: Path) -> None:
    shutil.copytree(directory, tmp_path / "copy")
    for form in (mail, markdown):
        assert form(gather(directory)) == form(gather(tmp_path / "copy"))


def test_a_failure_without_its_folder(directory: Path, tmp_path: Path) -> None:
    shutil.copytree(directory, tmp_path / "copy")
    shutil.rmtree(tmp_path / "copy" / "failures")
    facts = gather(tmp_path / "copy")
    assert all((found.page, found.message) == ("", "") for found in facts.findings)
    assert "Found\n-----" in mail(facts)


def test_a_search_ends_when_the_risk_is_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every cell; of what is left of another budget nothing is used."""
    monkeypatch.setattr(supervisor, "MEASURE_EVERY", 1)
    words = ["--scenario", "mailbox", "--machine", "lockstep", "--workers", "1", "--geometry", "small"]
    path = str(tmp_path / "dir")
    assert 0 == main(["campaign", *words, "--until-risk", "0.3", "--executions", "500000", "--dir", path], TOYS)
    found = gather(tmp_path / "dir")
    assert all(cell.opened == cell.cases and cell.risk <= 0.5 for cell in found.cells)
    assert "done" == found.ended and found.executions < 500000


def test_a_risk_that_was_not_reached_is_inconclusive(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--scenario", "mailbox", "--machine", "lockstep", "--workers", "1", "--geometry", "small"]
    more = ["--until-risk", "1e-6", "--executions", "40", "--dir", str(tmp_path / "dir")]
    assert 5 == main(["campaign", *words, *more], TOYS)
    said = capsys.readouterr().out
    assert "inconclusive: --until-risk 1e-06 was not reached: 1 of 1 pair of scenario and profile" in said


@pytest.mark.parametrize("chance", ["0", "1", "-1", "x"])
def test_what_is_no_chance(chance: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["campaign", f"--until-risk={chance}"], TOYS)
    assert "--until-risk" in capsys.readouterr().err


# -- the mail ------------------------------------------------------------------------------------------------------


def test_the_mail(facts: Facts) -> None:
    """The mail, to the letter."""
    assert MAIL == mail(settled(facts))


def test_the_mail_keeps_its_form(facts: Facts) -> None:
    """Whatever the names: 72 columns, no trailing space, no control character."""
    long = "a" * 90 + " \x1b[31m" + "b" * 200
    moment = Moment(12, long, long, long, long)
    why = Explanation(long, (Ordering(moment, moment, "clean", ()),), (), 0, (), interleaving=(moment, moment))
    odd = replace(
        facts,
        patch=(f"{'deep/' * 40}my patch's.py",),
        scenarios=tuple(f"{long}{number}" for number in range(20)),
        findings=tuple(
            replace(f, message=long, expected=long, unpatched=None, explanation=why) for f in facts.findings
        ),
        overrides=tuple(replace(row, method=long, scenarios=(long,) * 9) for row in facts.overrides),
    )
    for made_of in (facts, odd):
        lines = mail(made_of).splitlines()
        assert COLUMNS >= max(map(len, lines)) and all(line == line.rstrip() for line in lines)
        assert not re.search("[\x00-\x09\x0b-\x1f]", "".join(lines))


@pytest.mark.parametrize(
    "words",
    [
        ["zapstress", "show", "failures/28c6e1ac/trace", "--patch", "a b.py"],
        ["zapstress", *(f"--option-{n}" for n in range(30))],
        ["x" * 300, "it's" * 60, "", "end"],
    ],
)
def test_commands_in_a_mail_can_be_typed(words: list[str]) -> None:
    lines = list(shell_lines(shlex.join(words), "    "))
    assert COLUMNS >= max(map(len, lines))
    joined = "\n".join(lines).replace("\\\n", "")
    assert words == shlex.split(joined)


def test_what_is_expected_stands_apart(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    signatures = [found.signature for found in gather(directory).findings]
    expect(directory, dict.fromkeys(signatures, "known since 6.9"))
    try:
        titles = {section.title: len(section.points) for section in sections(gather(directory))}
        status = main(["status", str(directory)], TOYS)
    finally:
        (directory / EXPECTED).unlink()
    assert len(signatures) == titles["Expected"] and 1 == titles["Found"]
    said = capsys.readouterr().out
    assert 0 == status and f"{len(signatures)} of them expected" in said and ", expected: known since 6.9" in said


def test_nothing_is_claimed_of_what_did_not_run(facts: Facts) -> None:
    clean = replace(facts, findings=())
    for changed, words in (
        (clean, "No violation."),
        (replace(clean, executions=0), "Nothing was executed."),
        (replace(clean, inconclusive=clean.executions), "No execution came to a verdict."),
        (replace(facts, findings=tuple(replace(f, unpatched=True) for f in facts.findings)), "besides those below"),
    ):
        assert words in mail(changed)


def test_the_mail_has_the_smallest_form() -> None:
    """Its steps below the actor whose turn it is, with a star where the failure hangs on the order."""
    first, second, last = (
        Moment(9, "cpu0 munmap", "folio_remove_rmap_ptes", "mapcount -1", "page_mapcount[1] 1 -> 0"),
        Moment(10, "cpu1 writeback", "folio_mapped", "read mapcount", "page_mapcount[1] = 0"),
        Moment(11, "cpu1 writeback", "folio_clear_dirty_for_io", "clear PG_dirty", "page_dirty[1] 1 -> 0"),
    )
    why = Explanation("Too early.", (Ordering(first, second, "clean", ()),), (), 0, (), True, (first, second, last))
    assert [
        "- text",
        "  Why: Too early.",
        "  Its smallest form; it hangs on the order of the steps with a star:",
        "    cpu0 munmap",
        "   *   9 mapcount -1: page_mapcount[1] 1 -> 0 (folio_remove_rmap_ptes)",
        "    cpu1 writeback",
        "   *  10 read mapcount: page_mapcount[1] = 0 (folio_mapped)",
        "      11 clear PG_dirty: page_dirty[1] 1 -> 0 (folio_clear_dirty_for_io)",
        "           <- here",
        "    zapstress show x",
    ] == list(lines_of(Point("text", "zapstress show x", explanation=why)))


# -- Markdown ------------------------------------------------------------------------------------------------------


def test_markdown(facts: Facts) -> None:
    text = markdown(settled(facts))
    assert "# zapstress: mine.py, fault T01 on kernel 6.9\n\n## Tested\n\n- Patch:" in text
    assert "toy\\_increment" in text and "<details><summary>the interleaving</summary>" in text
    assert "| scenario | toy |\n| --- | ---: |\n| abba | 59, **1 failed** |" in text
    assert "\n\n\n" not in text and all(line == line.rstrip() for line in text.splitlines())


def test_markdown_of_hostile_names(facts: Facts) -> None:
    """A name is text: no tag, no link, no end of a block."""
    bad = "</details><script>alert(1)</script> [x](y) `z` | ~~~~"
    found = replace(facts.findings[0], message=bad, title=bad, page=f"{bad}\n  ~~~~\n")
    text = markdown(replace(facts, findings=(found,)))
    outside = re.sub(r"(?ms)^  (~{4,})$.*?^  \1$", "", text)
    assert not re.search(r"(?<!\\)<(?!/?details|/?summary)", outside)
    assert "\\<script\\>" in outside and "<script>" not in outside


# -- the command ---------------------------------------------------------------------------------------------------


def test_the_command(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {file: file.read_bytes() for file in directory.rglob("*") if file.is_file()}
    assert 0 == main(["report", str(directory)], TOYS)
    assert mail(gather(directory)) == capsys.readouterr().out
    assert 0 == main(["report", str(directory), "--format", "md", "--output", str(tmp_path / "r.md")], TOYS)
    assert "" == capsys.readouterr().out and markdown(gather(directory)) == (tmp_path / "r.md").read_text()
    assert 0 == main(["report", str(directory), "--format", "md", "--json"], TOYS)
    assert "md" == json.loads(capsys.readouterr().out)["format"]
    assert before == {file: file.read_bytes() for file in before}


def test_what_cannot_be_reported(directory: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert 2 == main(["report", str(tmp_path)], TOYS)
    assert "holds no campaign" in capsys.readouterr().err
    assert 3 == main(["report", str(directory), "--output", str(tmp_path / "none" / "x")], TOYS)
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["[]", "{", '{"xyz": "short"}', '{"0123456g": "hex"}', '{"01234567": 3}'])
def test_a_list_that_is_none_is_refused(
    directory: Path, tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(directory, tmp_path / "copy")
    (tmp_path / "copy" / EXPECTED).write_text(text)
    for command in ("report", "status"):
        assert 2 == main([command, str(tmp_path / "copy")], TOYS)
        assert EXPECTED in capsys.readouterr().err


# -- words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0 s"), (59.94, "59.9 s"), (60, "1 min"), (75, "1 min 15 s"), (3600, "1 h"), (7503.2, "2 h 5 min"),
     (86400 * 3 + 1, "3 d"), (90000, "1 d 1 h")],
)  # fmt: skip
def test_times_in_words(seconds: float, words: str) -> None:
    assert words == time_words(seconds)


def test_numbers_in_words() -> None:
    assert ("1,234", "1 page", "0 pages") == (number_words(1234), plural(1, "page"), plural(0, "page"))
    assert ("0.95", "0.0021", "3.0e-06") == (chance_words(0.95), chance_words(0.00214), chance_words(3e-6))
