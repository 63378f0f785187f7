"""``selfcheck --patches`` over toys: what is found, what is missed, and what cannot be run."""

from __future__ import annotations

import contextlib
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from stress.catalogue import CATALOGUE as DEFAULT
from stress.cli.main import main
from stress.cli.trials import columns
from stress.errors import UsageError
from stress.selfcheck.patches import planted, unused
from stress.sources import ROOT
from stress.trace.file import load
from tests.stress.campaign_toys import SPEC
from tests.toy import ToyCatalogue

WRONG = '''"""The increment does not take the lock. More is not shown."""

from tests.toy import READ, WRITE_BACK

KERNEL = "6.9"
KIND = "interleaving"


class Wrong:
    component = "counter"

    async def increment(self, i):
        value = await self.k.m.load(READ, self.k.counter, i)
        await self.k.m.store(WRITE_BACK, self.k.counter, i, value + 1)
'''

SOUND = WRONG[: WRONG.index("        value")] + "        await super().increment(i)\n"

UNFIT = WRONG.replace("increment", "incremnt")


class ToyPatches(ToyCatalogue):
    """The toys, with patches of a folder of the test's."""

    spec = SPEC
    folder = Path()

    def patch_files(self) -> dict[str, Path]:
        return {file.stem: file for file in sorted(self.folder.glob("*.py"))}


def selfcheck(folder: Path, *words: str, **patches: str) -> tuple[int, dict[str, Any]]:
    """Run the command over the patches given, as name to text; return its status and its object."""
    catalogue = ToyPatches()
    catalogue.folder = folder / "patches"
    catalogue.folder.mkdir(exist_ok=True)
    for name, text in patches.items():
        (catalogue.folder / f"{name}.py").write_text(text)
    limits = ("--scenario", "counters", "--executions", "40", "--dir", str(folder / "results"))
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        status = main(["selfcheck", *limits, "--json", "--patches", *words], catalogue)
    return status, json.loads(out.getvalue())


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[str, Any]]:
    """One patch that is found, one that is missed, one that cannot be run."""
    return selfcheck(tmp_path_factory.mktemp("three"), sound=SOUND, unfit=UNFIT, wrong=WRONG)


def trial_of(data: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what came of one patch."""
    (trial,) = [trial for trial in data["patches"] if trial["name"] == name]
    return trial


def test_what_cannot_be_run_decides_and_keeps_nothing_from_being_tried(three: tuple[int, dict[str, Any]]) -> None:
    status, data = three
    assert (3, False, 1, ["sound"]) == (status, data["ok"], data["found"], data["missed"])
    assert "did you mean increment" in trial_of(data, "unfit")["error"]


def test_a_patch_is_found(three: tuple[int, dict[str, Any]]) -> None:
    trial = trial_of(three[1], "wrong")
    assert ("wrong", "counter", "6.9", "interleaving", []) == tuple(
        trial[name] for name in ("name", "component", "kernel", "kind", "profiles")
    )
    assert ("The increment does not take the lock.", "T1", "counters", "toy") == tuple(
        trial[name] for name in ("about", "checker", "scenario", "profile")
    )
    assert 1 <= trial["executions"] == three[1]["median_executions"] <= 40
    assert trial["seconds"] == three[1]["median_s"] > 0
    assert trial["signature"] == load(trial["trace"]).ending.signature


def test_a_patch_is_missed(three: tuple[int, dict[str, Any]]) -> None:
    trial = trial_of(three[1], "sound")
    assert (40, None, False, "") == (trial["executions"], trial["trace"], trial["ok"], trial["error"])


def test_the_table(three: tuple[int, dict[str, Any]]) -> None:
    found = {trial["name"]: columns(trial) for trial in three[1]["patches"]}
    assert ("wrong", "interleaving", "counter", "6.9", "all", "T1 in counters on toy") == found["wrong"][:6]
    assert ("**not found**", "40") == found["sound"][5:7]
    assert "**error**" == found["unfit"][5]


def test_a_chosen_patch_begins_anew_each_time(tmp_path: Path) -> None:
    """It has a folder of its own: results of an earlier run are kept, and not counted."""
    runs = [selfcheck(tmp_path, "wrong", sound=SOUND, wrong=WRONG) for _ in range(2)]
    assert [0, 0] == [status for status, _ in runs]
    (first,), (second,) = (data["patches"] for _, data in runs)
    assert first["dir"] + "-2" == second["dir"]


def test_a_missed_patch_is_inconclusive(tmp_path: Path) -> None:
    assert 5 == selfcheck(tmp_path, sound=SOUND)[0]


def test_bad_usage(tmp_path: Path) -> None:
    status, data = selfcheck(tmp_path, "wrng", wrong=WRONG)
    assert 2 == status and "unknown patch 'wrng'; did you mean wrong" in data["error"]
    status, data = selfcheck(tmp_path, "--fault", "T01")
    assert 2 == status and "a patch names its own kernel" in data["error"]


def test_unused(tmp_path: Path) -> None:
    assert tmp_path / "new" == unused(tmp_path / "new")
    for name in ("new", "new-2"):
        (tmp_path / name).mkdir()
    assert tmp_path / "new-3" == unused(tmp_path / "new")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('KERNEL = "6.9"', "KERNEL = '...'"),
        ('KIND = "interleaving"', "KIND = '...'"),
        ('    component = "counter"', "component = '...'"),
    ],
)
def test_a_file_that_says_too_little_is_refused(tmp_path: Path, line: str, complaint: str) -> None:
    file = tmp_path / "patch.py"
    file.write_text(WRONG.replace(line, ""))
    with pytest.raises(UsageError, match=complaint):
        planted("patch", file)


def test_a_kind_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "patch.py"
    file.write_text(WRONG.replace('"interleaving"', '"luck"'))
    with pytest.raises(UsageError, match="use one of sequence, interleaving"):
        planted("patch", file)


def test_what_is_said_to_be_missed_is_there() -> None:
    text = (ROOT / "docs" / "patches.md").read_text().split("## What is missed")[1]
    names = re.findall(r"^\| (\w+) \|", text, re.MULTILINE)[1:]
    assert names
    assert set(names) <= set(DEFAULT.patch_files())
