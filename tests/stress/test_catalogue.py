"""The catalogue: names come from files, and listing imports none of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from stress import catalogue
from stress.catalogue import CATALOGUE, KINDS, choose, fault_id, first_sentence, invariants, only_class
from stress.errors import UsageError


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_listed(kind: str) -> None:
    """Names and lines, in a fixed order."""
    found = CATALOGUE.list(kind)
    assert list(found) == list(CATALOGUE.list(kind))
    assert all(isinstance(about, str) for about in found.values())


def test_profiles_and_kernels_say_what_is_their_own() -> None:
    """No two lines are the same, and none is empty."""
    for kind in ("profiles", "kernels"):
        found = CATALOGUE.list(kind)
        assert all(found.values()) and len(set(found.values())) == len(found)
    assert CATALOGUE.kernels()["6.9"] == "Linux 6.9, batched (the default)"


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A root with a scenario and two faults of its own, all of which raise when imported."""
    for name, text in {
        "scenarios/good.py": '"""A good one.\n\nMore of it."""\nraise ValueError\n',
        "scenarios/bare.py": "raise ValueError\n",
        "scenarios/broken.py": "def :\n",
        "scenarios/_private.py": '"""Not one."""\n',
        "scenarios/faults/m05_late_flush.py": '"""M05: the flush comes late."""\nraise ValueError\n',
        "scenarios/faults/c02_dirty.py": '"""C02: dirty."""\n',
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(catalogue, "ROOT", tmp_path)
    return tmp_path


def test_listing_imports_nothing(packages: Path) -> None:
    """A file that raises, has no docstring or cannot be parsed is listed all the same."""
    found = CATALOGUE.scenarios()
    assert list(found) == ["bare", "broken", "good"]
    assert (found["good"], found["bare"]) == ("A good one.", "")
    assert found["broken"].startswith("(cannot be read: ")
    assert CATALOGUE.faults() == {"C02": "dirty.", "M05": "the flush comes late."}


def test_fault_id() -> None:
    """A fault's id begins its file's name."""
    assert fault_id(Path("m05_late_flush.py")) == "M05"


def test_choose_lists_what_is_close() -> None:
    """Close names, or what there is."""
    names = ["munmap_vs_load", "munmap_vs_store", "storm"]
    with pytest.raises(
        UsageError, match="unknown scenario 'munmap_load'; did you mean munmap_vs_load or munmap_vs_store?"
    ):
        choose("scenario", "munmap_load", names)
    with pytest.raises(UsageError, match="unknown scenario 'zzz'; known: munmap_vs_load, munmap_vs_store, storm"):
        choose("scenario", "zzz", names)
    assert choose("scenario", "storm", names) == "storm"


def test_one_class_per_file() -> None:
    """Two candidates, or none, are a mistake that names the file."""
    with pytest.raises(UsageError, match=r"x\.py: defines 0 classes of the kind wanted"):
        only_class(catalogue, Path("x.py"), Path)


def test_first_sentence_of_nothing() -> None:
    """A file that is not there is not the end of a list."""
    assert first_sentence(Path("/nowhere/x.py")).startswith("(cannot be read")


def test_invariants_from_the_source(tmp_path: Path) -> None:
    """Checkers are listed without being imported."""
    file = tmp_path / "checks.py"
    file.write_text(
        'raise ValueError\nclass A:\n    invariants: tuple = (("I1", "title", "rule"),)\n'
        'class B:\n    invariants = (("I2", "t", "r"),)\n'
    )
    assert sorted(invariants(file)) == [("I1", "title", "rule"), ("I2", "t", "r")]


def test_checkers_sort_as_people_count() -> None:
    """I9 comes before I10."""
    names = [name for name in CATALOGUE.checkers() if name.startswith("I")]
    assert names == sorted(names, key=lambda name: (int("".join(filter(str.isdigit, name))), name))
