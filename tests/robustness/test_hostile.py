"""Strangers' files: nothing is imported, nothing is written outside of the directory, no escape
sequence is shown, and nothing takes long or much.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from stress.campaign.database import DATABASE
from tests.robustness import directories
from tests.robustness.certificates import PROVE
from tests.robustness.failures import QUICKLY
from tests.robustness.hostile import EVIL, OUTSIDE, OWNED, Workshop
from tests.robustness.hostile_results import ALL
from tests.robustness.subject import CLEAN, DOCUMENTED, FAILED, VIOLATED, Seen, run
from tests.stress.campaign_toys import TOYS

COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "trace": (
        ("show",),
        ("replay", "--tolerant"),
        ("show", "--json"),
        ("explain", *QUICKLY),
        ("replay", "--shell", "--command", "where"),
    ),
    "failure": (
        ("show",),
        ("show", "--json"),
        ("report", "--format", "html"),
        ("explain", *QUICKLY),
        ("shrink", *QUICKLY),
    ),
    "proofs": ((*PROVE[:-1], "--check", "--dir"), PROVE),
    "program": (("conform", "--program"),),
    "directory": (
        ("campaign", "--executions", "2", "--workers", "1", "--dir"),
        ("status",),
        ("recheck",),
        ("report", "--format", "html"),
        ("report", "--format", "sarif"),
        directories.SERVE,
        *directories.WRITTEN,
    ),
}
"""What reads each kind; the path comes last."""

TELL = (
    "certificate_counts_too_much",
    "certificate_is_a_fifo",
    "why_is_a_fifo",
    "form_is_a_fifo",
    "form_is_zeros",
    "why_is_zeros",
    "certificate_is_zeros",
)
"""Where a command ends with 3: something else stands in the place of a file that it is to write, or
two searches of one space came to other ends.
"""


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop.open(tmp_path_factory.mktemp("hostile"))


def outside(workshop: Workshop, path: Path) -> dict[str, bytes]:
    """Return what is beside the hostile file: names and contents. SQLite has files of its own
    beside each database that is read.
    """
    journals = tuple(f"{directories.OTHER}/{DATABASE}{end}" for end in ("-wal", "-shm"))
    files = [file for file in workshop.folder.rglob("*") if path not in (file, *file.parents)]
    files = [file for file in files if not str(file).endswith(journals)]
    return {
        str(file): file.read_bytes() if file.is_file() and file.parts[-2] in (OUTSIDE, workshop.folder.name) else b""
        for file in files
    }


def looked(kind: str, words: tuple[str, ...], path: Path, workshop: Workshop) -> Seen:
    """Run a command on a hostile file; return what it did."""
    if kind == "directory":
        return directories.read_by(words, path, workshop.folder, directories.signature_in(workshop.directory))
    return run((*words, str(path)), None, workshop.folder)


@pytest.mark.parametrize("name", ALL)
def test_a_strangers_file_does_no_harm(name: str, workshop: Workshop) -> None:
    kind, make = ALL[name]
    path = workshop.make(name, kind, make)
    before = outside(workshop, path)
    paths = sorted(path.iterdir()) if name == "name_escapes" else [path]
    for target in paths:
        for words in COMMANDS[kind]:
            seen = looked(kind, words, target, workshop)
            allowed = DOCUMENTED if name in TELL else DOCUMENTED - {FAILED}
            assert not seen.faults(allowed), (seen, seen.faults())
    assert not (workshop.folder / OWNED).exists(), f"{EVIL} was imported"
    assert before == outside(workshop, path)


def test_there_are_enough() -> None:
    assert 30 <= len(ALL)


def test_evil_is_evil(workshop: Workshop) -> None:
    """Named on the command line the file is imported, so that the other tests can see it."""
    kernel = str(workshop.folder / EVIL) + ":Evil"
    assert run(("run", "counters", "--profile", "toy", "--kernel", kernel), TOYS, workshop.folder).status in (
        CLEAN,
        VIOLATED,
    )
    (workshop.folder / OWNED).unlink()
