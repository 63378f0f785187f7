"""Commands that are printed work as they are typed, also where the results directory was copied to."""

from __future__ import annotations

import base64
import html
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stress.campaign.code import Text, keep_texts
from stress.campaign.results import Results
from stress.cli.main import main
from stress.cli.report import FORMATS
from stress.errors import UsageError
from stress.patch.spec import kept
from stress.sources import ROOT
from tests.stress.patch_toys import UNLOCKED, written
from tests.stress.test_scenario_file import file
from tests.toy import TOYS

PROGRAM = "import sys; from stress.cli.main import main; from tests.stress.campaign_toys import TOYS; "
PROGRAM += "sys.exit(main(sys.argv[1:], TOYS))"

CAMPAIGN = "campaign --scenario 'my own/twice.py' --patch 'my own/p.py' --machine lockstep --workers 1"

GOOD = (0, 1)
"""Exit statuses of a command that ran: nothing was found, or something."""


def typed(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command as it is typed in ``folder``, in a process of its own."""
    words = [sys.executable, "-c", PROGRAM, *shlex.split(command)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, env=environment)


def commands(text: str) -> list[str]:
    """Return the commands that a text has, without the name of the program."""
    plain = html.unescape(text).replace("\\\n", "")
    return list(dict.fromkeys(re.findall(r"zapstress ((?:show|replay|report|campaign) [^\n<\"]*)", plain)))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a campaign ran with a patch and a scenario that were named from there."""
    home = tmp_path_factory.mktemp("home")
    (home / "my own").mkdir()
    written(home / "my own" / "p.py", "import beside\n" + UNLOCKED)
    (home / "my own" / "beside.py").write_text("MORE = 1\n")
    file(home / "my own" / "twice.py")
    ran = typed(home, f"{CAMPAIGN} --seed 5 --executions 40 --dir results")
    assert 1 == ran.returncode, ran.stderr
    (home / "printed").write_text(ran.stdout)
    return home


@pytest.fixture(scope="module")
def copied(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results directory elsewhere, where there is nothing of that folder."""
    return Path(shutil.copytree(home / "results", tmp_path_factory.mktemp("elsewhere") / "mailed"))


@pytest.mark.parametrize("form", FORMATS)
def test_commands_of_a_report_run_in_a_copy(form: str, home: Path, copied: Path) -> None:
    report, again = (typed(folder, f"report . --format {form}") for folder in (copied, home / "results"))
    assert report.stdout == again.stdout and "results directory" in report.stdout
    found = commands(report.stdout)
    assert found and not any(str(home) in command for command in found)
    for command in found:
        ran = typed(copied, command)
        assert ran.returncode in GOOD, (command, ran.stderr)
        assert "the text of" not in ran.stderr


def alone(page: str, folder: Path, files: Path) -> list[str]:
    """Do in ``folder`` what the page says to who has nothing else; return its commands."""
    block = re.search(r"base64 -d &gt; (\S+) &lt;&lt; END\n(.+?)\nEND\n(.+?)</pre>", page, re.DOTALL)
    if block is None:
        return []
    (folder / block[1]).write_bytes(base64.b64decode(block[2]))
    for own in files.glob("*.py"):
        shutil.copy(own, folder)
    return commands(block[3])


@pytest.mark.parametrize("form", ["html", "md"])
def test_commands_of_a_failures_page_run_in_a_copy(form: str, home: Path, copied: Path, tmp_path: Path) -> None:
    with Results.open(copied) as results:
        failure = results.failures()[0]
    own = "--patch '{0}/my own/p.py' --scenario '{0}/my own/twice.py'"
    pages = [
        typed(where, f"report {folder}/failures/{failure['signature']} --format {form} {own.format(code)}").stdout
        for where, folder, code in ((home, "results", "."), (copied.parent, "mailed", "mailed/code"))
    ]
    assert pages[0] == pages[1] and "Typed in the results directory." in pages[0]
    from_here = alone(pages[0], tmp_path, home / "my own")
    assert len(from_here) == (form == "html")
    for command in (found := commands(pages[0])):
        interactive = " --command quit" if "--shell" in command else ""
        ran = typed(tmp_path if command in from_here else copied, command + interactive)
        assert ran.returncode in GOOD, (command, ran.stderr)
    assert len(found) >= 4


def test_commands_on_the_screen_run_where_they_are_printed(home: Path, copied: Path) -> None:
    said = typed(copied.parent, "status mailed").stdout
    for folder, text in ((home, (home / "printed").read_text()), (copied.parent, said)):
        found = commands(text)
        assert found
        for command in found:
            ran = typed(folder, command)
            assert ran.returncode in GOOD, (command, ran.stderr)


def test_a_trace_alone_is_named_as_it_was_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(tmp_path / "a trace")
    main(
        ["run", "counters", "--fault", "T01", "--strategy", "pct", "--seed", "3", "--save", path, "--profile", "toy"],
        TOYS,
    )
    assert 0 == main(["report", path, "--format", "md"], TOYS)
    assert f"zapstress replay --steps {shlex.quote(path)}\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("p.py", "code/p.py"),
        ("../a b/p.py:X,Y", "code/@up/a b/p.py:X,Y"),
        ("/u/./p.py", "code/@root/u/p.py"),
        ("up/root/@up/p.py", "code/up/root/@@up/p.py"),
    ],
)
def test_where_a_file_is_kept(spec: str, name: str) -> None:
    assert name == kept(spec)


@pytest.mark.parametrize("link", ["code", "code/@up", "code/@up/p.py"])
def test_a_strangers_link_leads_nowhere(tmp_path: Path, link: str) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "p.py").write_text("mine")
    place = tmp_path / "dir" / link
    place.parent.mkdir(parents=True)
    place.symlink_to(tmp_path / "mine" / ("p.py" if link.endswith(".py") else ""))
    with pytest.raises(UsageError, match="symbolic link"):
        keep_texts(tmp_path / "dir", [Text("patch", "../p.py", "other")])
    assert "mine" == (tmp_path / "mine" / "p.py").read_text() and 1 == len(list((tmp_path / "mine").iterdir()))
